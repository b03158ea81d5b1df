#include "evaluation/protocol_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/try.h"
#include "evaluation/dataset.h"

namespace rerank::evaluation {
namespace fs = std::filesystem;
namespace {

// Beyond ASCII, in UTF-8.
constexpr std::array<std::string_view, 19> kWideSpaces = {
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
    "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
    "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

bool is_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r') || (byte >= '\x1C' && byte <= '\x1F');
}

// Whether the folder is one data set and not a folder of them.
bool is_one(const ProtocolChoice& choice) {
  std::error_code ignored;
  for (const char* packing : {"", ".gz", ".zst"})
    if (fs::exists(choice.folder / (std::string("corpus.jsonl") + packing), ignored)) return true;
  return false;
}

struct Place {
  const ProtocolChoice& choice;
  std::string dataset, split;

  // "{dataset}/corpus.jsonl" as a path.
  std::string fill(std::string_view pattern) const {
    std::string path(pattern);
    if (is_one(choice) && path.starts_with("{dataset}/")) path.erase(0, std::string_view("{dataset}/").size());
    for (const auto& [name, value] : {std::pair<std::string_view, const std::string&>("{dataset}", dataset),
                                      std::pair<std::string_view, const std::string&>("{split}", split)})
      for (std::size_t at = path.find(name); at != path.npos; at = path.find(name, at + value.size()))
        path.replace(at, name.size(), value);
    return path;
  }

  // The first that is there.
  std::optional<fs::path> find(std::span<const std::string_view> patterns) const {
    std::error_code ignored;
    for (const std::string_view pattern : patterns)
      for (const char* packing : {"", ".gz", ".zst"})
        if (const fs::path path = choice.folder / (fill(pattern) + packing); fs::exists(path, ignored)) return path;
    return std::nullopt;
  }

  Result<fs::path> need(std::span<const std::string_view> patterns, std::string_view what, std::string fix) const {
    if (const auto path = find(patterns)) return *path;
    std::vector<std::string> tried;
    for (const std::string_view pattern : patterns) tried.push_back(fill(pattern));
    return Error{Error::Code::kNotFound, fmt::format("has no {}; there is no {}", what, fmt::join(tried, ", no ")),
                 choice.folder.string(), std::move(fix)};
  }
};

Result<io::LineReader> open(const fs::path& path) {
  return io::LineReader::open(path.string());
}

// The queries to ask, in order.
void select(const ProtocolChoice& choice, Qrels& qrels) {
  std::vector<JudgedQuery>& queries = qrels.queries;
  std::size_t most = choice.protocol->first_queries;
  if (most != 0)
    std::sort(queries.begin(), queries.end(),
              [](const JudgedQuery& a, const JudgedQuery& b) { return a.query_id < b.query_id; });
  if (most == 0 || most > queries.size()) most = queries.size();
  if (choice.queries != 0) most = std::min(most, choice.queries);
  queries.resize(most);
}

const std::string* prompt_of(const Place& place) {
  if (place.choice.prompts == nullptr) return nullptr;
  for (const std::string_view name : place.choice.protocol->prompt_names)
    if (const auto at = place.choice.prompts->find(place.fill(name)); at != place.choice.prompts->end())
      return &at->second;
  return nullptr;
}

std::string prompted(std::string text, const std::string& query) {
  for (std::size_t at = text.find(kQueryPlace); at != text.npos; at = text.find(kQueryPlace, at + query.size()))
    text.replace(at, kQueryPlace.size(), query);
  return text;
}

// Id and text of every judged query. Takes those without a text out of the judgements, where that is allowed.
Result<Texts> query_texts(const Place& place, ProtocolData& data) {
  RERANK_ASSIGN(const std::vector<Query> queries, read_queries(data.files.queries, place.choice.bad));
  Texts texts;
  for (const Query& query : queries) texts.emplace(query.id, query.text);
  if (!data.files.instructions.empty()) {
    RERANK_ASSIGN(io::LineReader lines, open(data.files.instructions));
    RERANK_ASSIGN(const Texts instructions, read_instructions(std::move(lines)));
    for (const auto& [id, instruction] : instructions)
      if (const auto at = texts.find(id); at != texts.end()) at->second += " " + instruction;
  }
  const std::string* prompt = prompt_of(place);
  if (prompt == nullptr && place.choice.prompts != nullptr) {
    std::vector<std::string> names;
    for (const std::string_view name : place.choice.protocol->prompt_names) names.push_back(place.fill(name));
    return Error{Error::Code::kBadInput,
                 fmt::format("there is no prompt for {}, no {}", data.dataset, fmt::join(names, " and no ")),
                 "--prompts", "add one to the file, or leave prompts out with --no-prompts"};
  }
  Texts asked;
  Status status;
  std::erase_if(data.qrels.queries, [&](const JudgedQuery& query) {
    const auto at = texts.find(query.query_id);
    if (at != texts.end()) {
      asked.emplace(query.query_id, prompt == nullptr ? at->second : prompted(*prompt, at->second));
      return false;
    }
    if (status.ok())
      status = place.choice.bad(
          {Error::Code::kBadInput,
           fmt::format("judges query \"{}\", which {} lacks", query.query_id, data.files.queries.filename().string()),
           first_place(data.files.qrels.string(), PairFile::kQrels,
                       [&](std::string_view query_id, std::string_view) { return query_id == query.query_id; }),
           "use judgements and queries of the same data set"});
    return true;
  });
  RERANK_TRY(status);
  return asked;
}

// Passages of a query, best first; those of equal score stay in the order of the file, as in Python's sorted().
void sort_by_score(std::vector<ScoredPassage>& passages) {
  std::stable_sort(passages.begin(), passages.end(),
                   [](const ScoredPassage& a, const ScoredPassage& b) { return a.score > b.score; });
}

// What every asked query ranks, before anything is dropped.
Result<std::unordered_map<std::string, std::vector<ScoredPassage>>> candidates(const Place& place, ProtocolData& data) {
  std::unordered_map<std::string, std::vector<ScoredPassage>> found;
  const Protocol& protocol = *place.choice.protocol;
  const std::string_view chosen = place.choice.first_stage;
  const std::span<const std::string_view> first_stages = chosen.empty() ? protocol.first_stages : std::span(&chosen, 1);
  if (const auto run_file = place.find(first_stages)) {
    data.files.first_stage = *run_file;
    RERANK_ASSIGN(Run run, read_run(run_file->string(), place.choice.bad));
    for (Ranking& ranking : run.rankings) {
      sort_by_score(ranking.passages);
      found.emplace(std::move(ranking.query_id), std::move(ranking.passages));
    }
    return found;
  }
  if (const auto lists_file = chosen.empty() ? place.find(protocol.top_ranked) : std::nullopt) {
    data.files.first_stage = *lists_file;
    RERANK_ASSIGN(io::LineReader lines, open(*lists_file));
    RERANK_ASSIGN(const IdLists lists, read_id_lists(std::move(lines)));
    for (const auto& [query_id, ids] : lists)
      for (const std::string& id : ids) found[query_id].push_back({id, 0});
    return found;
  }
  if (!first_stages.empty())
    return place
        .need(first_stages, fmt::format("first stage for {}", place.dataset),
              "put a ranking there or name one with --first-stage; `rerank retrieve` makes one by BM25")
        .error();
  std::vector<ScoredPassage> all;
  RERANK_ASSIGN(TextReader reader, TextReader::open(data.files.corpus, TextReader::Kind::kPassages));
  RERANK_TRY(for_each_passage(
      std::move(reader),
      [&](const TextRecord& record) -> Status {
        all.push_back({record.id, 0});
        return {};
      },
      place.choice.bad));
  for (const JudgedQuery& query : data.qrels.queries) found.emplace(query.query_id, all);
  return found;
}

// The texts of all passages that are ranked; `data` loses those that the corpus lacks, where that is allowed.
Result<Passages> passage_texts(const ProtocolChoice& choice, ProtocolData& data) {
  std::unordered_set<std::string> wanted, absent;
  for (const ProtocolQuery& query : data.queries) wanted.insert(query.passage_ids.begin(), query.passage_ids.end());
  for (const JudgedQuery& query : data.qrels.queries)
    for (const Judgement& judgement : query.judgements) absent.insert(judgement.passage_id);
  Passages passages;
  RERANK_ASSIGN(TextReader reader, TextReader::open(data.files.corpus, TextReader::Kind::kPassages));
  RERANK_TRY(for_each_passage(
      std::move(reader),
      [&](TextRecord record) -> Status {
        absent.erase(record.id);
        if (!wanted.contains(record.id)) return {};
        if (passages.contains(record.id))
          return choice.bad({Error::Code::kBadInput,
                             fmt::format("passage \"{}\" stands in an earlier line already", record.id), record.where,
                             "keep one of the two lines"});
        if (choice.protocol->strip == Protocol::Strip::kAlways || record.has_title) record.text = stripped(record.text);
        passages.emplace(std::move(record.id), std::move(record.text));
        return {};
      },
      choice.bad));
  RERANK_TRY(check_judged_passages(data.files.qrels, absent, data.files.corpus, choice.bad));
  for (std::size_t query_idx = 0; query_idx < data.queries.size(); ++query_idx) {
    ProtocolQuery& query = data.queries[query_idx];
    const auto is_missing = [&](const std::string& id) { return !passages.contains(id); };
    for (const std::string& id : query.passage_ids)
      if (is_missing(id))
        RERANK_TRY(choice.bad({Error::Code::kBadInput,
                               fmt::format("ranks passage \"{}\" for query \"{}\", which {} lacks", id, query.id,
                                           data.files.corpus.filename().string()),
                               first_place(data.files.first_stage.string(), PairFile::kRun,
                                           [&](std::string_view query_id, std::string_view passage_id) {
                                             return query_id == query.id && passage_id == id;
                                           }),
                               "use a ranking of the same data set"}));
    data.pairs -= std::erase_if(query.passage_ids, is_missing);
    std::erase_if(data.first_stage.rankings[query_idx].passages,
                  [&](const ScoredPassage& passage) { return is_missing(passage.passage_id); });
  }
  return passages;
}

}  // namespace

std::string_view stripped(std::string_view text) {
  const auto cut = [&text](bool at_end) {
    if (text.empty()) return false;
    if (is_space(at_end ? text.back() : text.front())) {
      at_end ? text.remove_suffix(1) : text.remove_prefix(1);
      return true;
    }
    for (const std::string_view space : kWideSpaces) {
      if (at_end ? !text.ends_with(space) : !text.starts_with(space)) continue;
      at_end ? text.remove_suffix(space.size()) : text.remove_prefix(space.size());
      return true;
    }
    return false;
  };
  while (cut(false)) {
  }
  while (cut(true)) {
  }
  return text;
}

Result<std::vector<std::string>> find_datasets(const ProtocolChoice& choice) {
  const Protocol& protocol = *choice.protocol;
  if (is_one(choice)) {
    if (protocol.datasets.size() == 1) return std::vector<std::string>{std::string(protocol.datasets.front())};
    std::error_code ignored;
    const fs::path folder = fs::weakly_canonical(choice.folder, ignored);
    return std::vector<std::string>{(folder.has_filename() ? folder : folder.parent_path()).filename().string()};
  }
  std::vector<std::string> found;
  for (const std::string_view dataset : protocol.datasets)
    if (Place{choice, std::string(dataset), ""}.find(protocol.corpus)) found.emplace_back(dataset);
  if (found.empty())
    return Error{Error::Code::kNotFound, fmt::format("holds no data set of {}", protocol.name), choice.folder.string(),
                 fmt::format("its folders are called {}", fmt::join(protocol.datasets, ", "))};
  return found;
}

Result<ProtocolData> read_protocol_data(const ProtocolChoice& choice, const std::string& dataset) {
  const Protocol& protocol = *choice.protocol;
  ProtocolData data;
  data.dataset = dataset;
  data.split = !choice.split.empty()                                     ? choice.split
               : dataset == "msmarco" && !protocol.msmarco_split.empty() ? std::string(protocol.msmarco_split)
                                                                         : std::string(protocol.split);
  const Place place{choice, dataset, data.split};
  const std::string layout = "docs/protocols.md shows the files of a data set";
  RERANK_ASSIGN(data.files.corpus, place.need(protocol.corpus, fmt::format("passages for {}", dataset), layout));
  RERANK_ASSIGN(data.files.queries, place.need(protocol.queries, fmt::format("queries for {}", dataset), layout));
  data.files.instructions = place.find(protocol.instructions).value_or("");
  data.files.changed = place.find(protocol.changed).value_or("");

  Examples examples;
  if (const auto file = place.find(protocol.examples); file && !place.find(protocol.qrels)) {
    data.files.qrels = *file;
    RERANK_ASSIGN(io::LineReader lines, open(*file));
    RERANK_ASSIGN(examples, read_examples(std::move(lines)));
    data.qrels = std::move(examples.qrels);
  } else {
    RERANK_ASSIGN(data.files.qrels, place.need(protocol.qrels, fmt::format("judgements for {}", dataset), layout));
    RERANK_ASSIGN(data.qrels, read_qrels(data.files.qrels.string(), choice.bad));
  }
  select(choice, data.qrels);
  if (!data.files.changed.empty()) {
    RERANK_ASSIGN(io::LineReader lines, open(data.files.changed));
    RERANK_ASSIGN(data.changed, read_id_lists(std::move(lines)));
  } else if (!protocol.changed.empty()) {
    data.changed = changed_passages(data.qrels);
  }

  RERANK_ASSIGN(Texts texts, query_texts(place, data));
  RERANK_ASSIGN(auto found, candidates(place, data));
  for (const JudgedQuery& judged : data.qrels.queries) {
    std::vector<ScoredPassage>& passages = found[judged.query_id];
    if (protocol.drop_identical_ids)
      data.dropped_identical +=
          std::erase_if(passages, [&](const ScoredPassage& passage) { return passage.passage_id == judged.query_id; });
    if (const auto excluded = examples.excluded.find(judged.query_id);
        protocol.drop_excluded && excluded != examples.excluded.end())
      data.dropped_excluded += std::erase_if(passages, [&](const ScoredPassage& passage) {
        return std::find(excluded->second.begin(), excluded->second.end(), passage.passage_id) !=
               excluded->second.end();
      });
    if (passages.empty()) continue;
    if (!data.files.first_stage.empty() && passages.size() > protocol.top_k) passages.resize(protocol.top_k);
    ProtocolQuery query{judged.query_id, texts.at(judged.query_id), {}};
    for (const ScoredPassage& passage : passages) query.passage_ids.push_back(passage.passage_id);
    data.pairs += passages.size();
    data.queries.push_back(std::move(query));
    data.first_stage.rankings.push_back({judged.query_id, std::move(passages)});
  }
  if (data.queries.empty())
    return Error{Error::Code::kBadInput,
                 fmt::format("ranks none of the {} queries of {}", data.qrels.queries.size(), dataset),
                 data.files.first_stage.string(), "use a ranking of the same data set and split"};
  RERANK_ASSIGN(data.passages, passage_texts(choice, data));
  return data;
}

}  // namespace rerank::evaluation
