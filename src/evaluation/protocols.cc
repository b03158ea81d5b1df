#include "evaluation/protocols.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace rerank::evaluation {
namespace {

using Names = std::span<const std::string_view>;
using Row = PublishedTable::Row;
using Strip = Protocol::Strip;
constexpr double kNone = PublishedTable::kNone;

// Data sets, as their folders are called.

constexpr std::string_view kLbSets[] = {"arguana", "dbpedia-entity", "fiqa",       "nfcorpus",        "scidocs",
                                        "scifact", "trec-covid-v2",  "vihealthqa", "webis-touche2020"};
constexpr std::string_view kBeirSets[] = {"arguana",
                                          "climate-fever",
                                          "cqadupstack/android",
                                          "cqadupstack/english",
                                          "cqadupstack/gaming",
                                          "cqadupstack/gis",
                                          "cqadupstack/mathematica",
                                          "cqadupstack/physics",
                                          "cqadupstack/programmers",
                                          "cqadupstack/stats",
                                          "cqadupstack/tex",
                                          "cqadupstack/unix",
                                          "cqadupstack/webmasters",
                                          "cqadupstack/wordpress",
                                          "dbpedia-entity",
                                          "fever",
                                          "fiqa",
                                          "hotpotqa",
                                          "msmarco",
                                          "nfcorpus",
                                          "nq",
                                          "quora",
                                          "scidocs",
                                          "scifact",
                                          "trec-covid",
                                          "webis-touche2020"};
constexpr std::string_view kLanguages[] = {"ar", "bn", "en", "es", "fa", "fi", "fr", "hi", "id",
                                           "ja", "ko", "ru", "sw", "te", "th", "zh", "de", "yo"};
constexpr std::string_view kRank1Sets[] = {"ArguAna", "ClimateFEVER", "DBPedia",   "FiQA2018",  "NFCorpus",
                                           "SCIDOCS", "SciFact",      "TRECCOVID", "Touche2020"};
constexpr std::string_view kBrightSets[] = {"biology",  "earth_science", "economics",           "psychology",
                                            "robotics", "stackoverflow", "sustainable_living",  "leetcode",
                                            "pony",     "aops",          "theoremqa_questions", "theoremqa_theorems"};
constexpr std::string_view kNevirSets[] = {"NevIR"};
constexpr std::string_view kFollowSets[] = {"fas", "rus", "zho"};
constexpr std::string_view kCrossSets[] = {"eng-fas", "eng-rus", "eng-zho"};

// Where their parts are.

constexpr std::string_view kCorpus[] = {"{dataset}/corpus.jsonl"};
constexpr std::string_view kQueries[] = {"{dataset}/queries.jsonl", "{dataset}/{split}_queries.jsonl"};
constexpr std::string_view kQrels[] = {"{dataset}/qrels/{split}.tsv", "{dataset}/{split}_qrels.jsonl"};
constexpr std::string_view kBrightCorpus[] = {"{dataset}/corpus.jsonl", "documents/{dataset}.jsonl"};
constexpr std::string_view kBrightQueries[] = {"{dataset}/queries.jsonl", "examples/{dataset}.jsonl"};
constexpr std::string_view kBrightExamples[] = {"examples/{dataset}.jsonl"};
constexpr std::string_view kBm25Run[] = {"{dataset}/first_stage.trec", "{dataset}/bm25.trec"};
constexpr std::string_view kFlagRun[] = {"NoReranker/{dataset}-{split}.json", "{dataset}/first_stage.trec"};
constexpr std::string_view kRank1Run[] = {"{dataset}_default_predictions.json", "{dataset}/first_stage.trec"};
constexpr std::string_view kBrightRun[] = {"{dataset}_bm25_long_False/score.json", "{dataset}/first_stage.trec"};
constexpr std::string_view kFollowRun[] = {"mFollowIR_{dataset}_predictions.json", "{dataset}/first_stage.trec"};
constexpr std::string_view kCrossRun[] = {"mFollowIRCrossLingual_{dataset}_predictions.json",
                                          "{dataset}/first_stage.trec"};
constexpr std::string_view kTopRanked[] = {"{dataset}/top_ranked.jsonl"};
constexpr std::string_view kInstructions[] = {"{dataset}/instruction.jsonl", "{dataset}/queries.jsonl"};
constexpr std::string_view kChanged[] = {"{dataset}/qrel_diff.jsonl"};

// rank1's names for its prompts.
constexpr std::string_view kBeirPrompts[] = {"{dataset}"};
constexpr std::string_view kBrightPrompts[] = {"BrightRetrieval_{dataset}", "BrightRetrieval"};

// What is measured.

constexpr std::string_view kBeirMeasures[] = {
    "nDCG@10",    "nDCG@1",      "nDCG@3",  "nDCG@5",   "nDCG@100", "nDCG@1000", "MAP@1",    "MAP@3",
    "MAP@5",      "MAP@10",      "MAP@100", "MAP@1000", "Recall@1", "Recall@3",  "Recall@5", "Recall@10",
    "Recall@100", "Recall@1000", "P@1",     "P@3",      "P@5",      "P@10",      "P@100",    "P@1000"};
constexpr std::string_view kFlagMeasures[] = {
    "nDCG@10",    "nDCG@1",      "nDCG@3",  "nDCG@5",   "nDCG@100", "nDCG@1000", "MAP@1",    "MAP@3",
    "MAP@5",      "MAP@10",      "MAP@100", "MAP@1000", "Recall@1", "Recall@3",  "Recall@5", "Recall@10",
    "Recall@100", "Recall@1000", "P@1",     "P@3",      "P@5",      "P@10",      "P@100",    "P@1000",
    "MRR@1",      "MRR@3",       "MRR@5",   "MRR@10",   "MRR@100",  "MRR@1000"};
constexpr std::string_view kNevirMeasures[] = {kPairedAccuracyName, "Recall@1", "nDCG@10"};
constexpr std::string_view kFollowMeasures[] = {kPMrrName, "nDCG@20", "nDCG@20-og", "nDCG@20-changed", "MAP@1000"};

// What was published.

constexpr std::string_view kLbModels[] = {"bge-reranker-v2-m3", "lb-reranker-0.5B", "ms-marco-electra-base",
                                          "gte-multilingual-reranker-base"};
constexpr Row kLb[] = {
    {"arguana", {.49762, .55665, .30521, .57581}},
    {"dbpedia-entity", {.36630, .34396, .35196, .35667}},
    {"fiqa", {.43723, .42454, .38067, .43412}},
    {"nfcorpus", {.34321, .35963, .32843, .34829}},
    {"scidocs", {.16007, .16641, .13436, .17775}},
    {"scifact", {.73650, .75549, .68048, .73996}},
    {"trec-covid-v2", {.82028, .83526, .70088, .82408}},
    {"vihealthqa", {.35660, .32638, .15254, .26744}},
    {"webis-touche2020", {.35711, .36820, .27678, .33482}},
};
constexpr PublishedTable kLbTables[] = {{"nDCG@10", false, 5, kLbModels, kLb}};

constexpr std::string_view kBgeLargeModels[] = {"bge-large first stage", "bge-reranker-v2-m3", "jina-reranker-v2",
                                                "lightweight, 60 % saved", "lightweight"};
constexpr Row kBgeLarge[] = {
    {"arguana", {63.54, 37.7, 52.23, 86.04, 86.16}},     {"climate-fever", {36.49, 37.99, 34.65, 48.41, 48.48}},
    {"cqadupstack", {42.23, 38.24, 40.21, 49.18, 48.9}}, {"dbpedia-entity", {44.16, 48.15, 49.31, 51.98, 52.11}},
    {"fever", {87.17, 90.15, 92.44, 94.71, 94.69}},      {"fiqa", {44.97, 49.32, 45.88, 60.48, 60.95}},
    {"hotpotqa", {74.11, 84.51, 81.81, 87.84, 87.89}},   {"msmarco", {42.48, 47.79, 47.83, 47.23, 47.26}},
    {"nfcorpus", {38.12, 34.85, 37.73, 41.4, 41.64}},    {"nq", {55.04, 69.37, 67.35, 75.37, 75.58}},
    {"quora", {89.06, 89.13, 87.81, 91.25, 91.18}},      {"scidocs", {22.62, 18.25, 20.21, 23.71, 23.87}},
    {"scifact", {74.64, 73.08, 76.93, 80.5, 80.38}},     {"webis-touche2020", {25.08, 35.68, 32.45, 30.64, 31.09}},
    {"trec-covid", {74.89, 83.39, 80.89, 84.26, 84.85}}, {"mean", {54.31, 55.36, 56.52, 63.1, 63.67}},
};
constexpr std::string_view kE5MistralModels[] = {"e5-mistral first stage", "bge-reranker-v2-m3",
                                                 "lightweight, 60 % saved", "lightweight"};
constexpr Row kE5Mistral[] = {
    {"arguana", {61.8, 79.05, 86.02, 86.58}},      {"climate-fever", {38.37, 37.66, 47.27, 47.13}},
    {"cqadupstack", {42.97, 46.16, 49.06, 49.53}}, {"dbpedia-entity", {48.84, 50.77, 52.45, 52.87}},
    {"fever", {87.82, 91.36, 94.85, 95.19}},       {"fiqa", {56.58, 50.96, 58.81, 61.19}},
    {"hotpotqa", {75.72, 86.99, 88.49, 88.82}},    {"msmarco", {43.06, 48.35, 47.65, 47.4}},
    {"nfcorpus", {38.58, 39.25, 42.28, 42.17}},    {"nq", {63.56, 73.44, 75, 76.28}},
    {"quora", {89.59, 90.44, 91.09, 91.18}},       {"scidocs", {16.3, 20.77, 22.2, 22.69}},
    {"scifact", {76.26, 77.78, 79.94, 80.98}},     {"webis-touche2020", {26.24, 35.79, 28.69, 31.17}},
    {"trec-covid", {87.07, 88.13, 86.61, 87.36}},  {"mean", {56.85, 61.13, 63.36, 64.04}},
};
constexpr PublishedTable kBeirTables[] = {{"nDCG@10", true, 2, kBgeLargeModels, kBgeLarge},
                                          {"nDCG@10", true, 2, kE5MistralModels, kE5Mistral}};
constexpr std::string_view kMiraclModels[] = {"bge-m3 first stage",    "jina-reranker-v2",        "bge-reranker-v2-m3",
                                              "bge-reranker-v2-gemma", "lightweight, 60 % saved", "lightweight"};
constexpr Row kMiracl[] = {
    {"ar", {78.4, 73.4, 81.7, 82.3, 82.5, 82.8}},   {"bn", {80.0, 81.9, 84.6, 85.0, 87.8, 87.6}},
    {"en", {56.9, 58.9, 63.5, 66.6, 68.6, 69.3}},   {"es", {56.1, 58.6, 64.4, 65.3, 67.6, 67.8}},
    {"fa", {60.9, 60.5, 65.7, 65.5, 67.5, 67.4}},   {"fi", {78.6, 77.2, 82.4, 82.6, 82.8, 83.3}},
    {"fr", {58.3, 56.1, 63.7, 65.4, 68.5, 68.5}},   {"hi", {59.5, 62.7, 68.5, 69.4, 71.4, 71.3}},
    {"id", {56.1, 59.6, 62.7, 61.2, 63.8, 63.8}},   {"ja", {72.8, 72.7, 80.0, 79.7, 82.8, 83.6}},
    {"ko", {69.9, 74.0, 73.8, 75.1, 75.9, 75.7}},   {"ru", {70.1, 67.1, 76.9, 78.3, 79.8, 80.1}},
    {"sw", {78.7, 78.1, 82.3, 81.8, 84.8, 85.1}},   {"te", {86.2, 85.8, 89.4, 89.6, 90.8, 90.8}},
    {"th", {82.6, 81.2, 85.3, 86.1, 88.1, 88.7}},   {"zh", {62.7, 63.0, 65.2, 66.8, 69.9, 69.9}},
    {"de", {56.7, 58.2, 62.7, 64.0, 65.8, 65.6}},   {"yo", {81.8, 84.2, 87.4, 85.9, 89.6, 89.8}},
    {"mean", {69.2, 69.6, 74.4, 75.0, 77.1, 77.3}},
};
constexpr PublishedTable kMiraclTables[] = {{"nDCG@10", true, 1, kMiraclModels, kMiracl}};

constexpr std::string_view kRank1BeirModels[] = {"BM25S first stage", "MonoT5-3B", "RankLLaMA-13B",
                                                 "rank1-7b",          "rank1-14b", "rank1-32b"};
constexpr Row kRank1Beir[] = {
    {"ArguAna", {kNone, kNone, kNone, 42.8, 45.3, 57.6}},   {"FiQA2018", {kNone, kNone, kNone, 39.5, 37.9, 41.8}},
    {"NFCorpus", {kNone, kNone, kNone, 36.2, 35.8, 36.9}},  {"SciFact", {kNone, kNone, kNone, 77.2, 77.0, 76.8}},
    {"TRECCOVID", {kNone, kNone, kNone, 81.9, 78.2, 81.9}}, {"mean", {38.5, 44.7, 44.6, 40.9, 41.0, 41.7}},
};
constexpr PublishedTable kRank1BeirTables[] = {{"nDCG@10", true, 1, kRank1BeirModels, kRank1Beir}};

constexpr std::string_view kBrightModels[] = {"BM25 first stage", "MonoT5-3B", "RankLLaMA-7B", "RankLLaMA-13B",
                                              "rank1-7b",         "rank1-14b", "rank1-32b"};
constexpr Row only_7b(std::string_view dataset, double value) {
  return {dataset, {kNone, kNone, kNone, kNone, value, kNone, kNone}};
}
constexpr Row kBright[] = {
    only_7b("biology", 48.8),
    only_7b("earth_science", 36.7),
    only_7b("economics", 20.8),
    only_7b("psychology", 35.0),
    only_7b("robotics", 22.0),
    only_7b("stackoverflow", 18.7),
    only_7b("sustainable_living", 36.2),
    only_7b("leetcode", 12.7),
    only_7b("pony", 31.2),
    only_7b("aops", 6.3),
    only_7b("theoremqa_questions", 23.7),
    only_7b("theoremqa_theorems", 37.8),
    {"mean", {26.5, 16.8, 13.9, 13.7, 27.5, 28.7, 29.4}},
};
constexpr PublishedTable kBrightTables[] = {{"nDCG@10", true, 1, kBrightModels, kBright}};

constexpr std::string_view kNevirModels[] = {"MonoT5-3B", "RankLLaMA-13B", "rank1-7b", "rank1-14b", "rank1-32b"};
constexpr Row kNevir[] = {{"NevIR", {50.6, 43.2, 65.1, 67.5, 70.1}}};
constexpr PublishedTable kNevirTables[] = {{kPairedAccuracyName, true, 1, kNevirModels, kNevir}};

// The paper states means over three languages alone.
constexpr std::string_view kFollowModels[] = {"rank1-7b", "rank1-14b", "rank1-32b"};
constexpr Row kFollowPMrr[] = {{"mean", {4.4, 3.6, 10.1}}};
constexpr Row kFollowNdcg[] = {{"mean", {.586, .594, .610}}};
constexpr PublishedTable kFollowTables[] = {{kPMrrName, true, 1, kFollowModels, kFollowPMrr},
                                            {"nDCG@20", false, 3, kFollowModels, kFollowNdcg}};
constexpr Row kCrossPMrr[] = {{"mean", {3.4, 7.3, 5.2}}};
constexpr Row kCrossNdcg[] = {{"mean", {.552, .567, .558}}};
constexpr PublishedTable kCrossTables[] = {{kPMrrName, true, 1, kFollowModels, kCrossPMrr},
                                           {"nDCG@20", false, 3, kFollowModels, kCrossNdcg}};

constexpr Protocol kProtocols[] = {
    {.name = "lb-beir",
     .title = "LB reranker's evaluation: the first 250 queries of BEIR sets, BM25's first 100",
     .split = "test",
     .datasets = kLbSets,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = kBm25Run,
     .first_queries = 250,
     .drop_identical_ids = true,
     .top_logprobs = 14,
     .readout = Readout::kHighMinusLow,
     .measures = kBeirMeasures,
     .published = kLbTables},
    {.name = "flagembedding-beir",
     .title = "FlagEmbedding's evaluation of BEIR: an embedder's first 100, pairs of 1024 tokens",
     .split = "test",
     .msmarco_split = "dev",
     .datasets = kBeirSets,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = kFlagRun,
     .strip = Strip::kWithTitle,
     .drop_identical_ids = true,
     .max_length = 1024,
     .query_max_length = 512,
     .measures = kFlagMeasures,
     .over_all_judged = "MRR",
     .published = kBeirTables},
    {.name = "flagembedding-miracl",
     .title = "FlagEmbedding's evaluation of MIRACL: bge-m3's first 100, pairs of 1024 tokens",
     .split = "dev",
     .datasets = kLanguages,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = kFlagRun,
     .strip = Strip::kWithTitle,
     .max_length = 1024,
     .query_max_length = 512,
     .measures = kFlagMeasures,
     .over_all_judged = "MRR",
     .published = kMiraclTables},
    {.name = "rank1-beir",
     .title = "rank1's evaluation of BEIR: BM25S' first 100, a prompt for each set",
     .split = "test",
     .datasets = kRank1Sets,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = kRank1Run,
     .prompt_names = kBeirPrompts,
     .verdict = Verdict::kOfficial,
     .measures = kBeirMeasures,
     .published = kRank1BeirTables},
    {.name = "bright",
     .title = "rank1's evaluation of BRIGHT: BM25's first 100 by longer queries, a prompt for each subset",
     .split = "standard",
     .datasets = kBrightSets,
     .corpus = kBrightCorpus,
     .queries = kBrightQueries,
     .qrels = kQrels,
     .examples = kBrightExamples,
     .first_stages = kBrightRun,
     .drop_excluded = true,
     .prompt_names = kBrightPrompts,
     .verdict = Verdict::kOfficial,
     .measures = kBeirMeasures,
     .published = kBrightTables},
    {.name = "nevir",
     .title = "NevIR: two passages, two queries that differ by a negation, both have to be right",
     .split = "test",
     .datasets = kNevirSets,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = {},
     .top_ranked = kTopRanked,
     .verdict = Verdict::kOfficial,
     .measures = kNevirMeasures,
     .published = kNevirTables},
    {.name = "mfollowir",
     .title = "mFollowIR: does the ranking follow an instruction that changes?",
     .split = "test",
     .datasets = kFollowSets,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = kFollowRun,
     .top_ranked = kTopRanked,
     .instructions = kInstructions,
     .changed = kChanged,
     .verdict = Verdict::kOfficial,
     .measures = kFollowMeasures,
     .published = kFollowTables},
    {.name = "mfollowir-crosslingual",
     .title = "mFollowIR with English queries",
     .split = "test",
     .datasets = kCrossSets,
     .corpus = kCorpus,
     .queries = kQueries,
     .qrels = kQrels,
     .first_stages = kCrossRun,
     .top_ranked = kTopRanked,
     .instructions = kInstructions,
     .changed = kChanged,
     .verdict = Verdict::kOfficial,
     .measures = kFollowMeasures,
     .published = kCrossTables},
};

}  // namespace

std::optional<double> PublishedTable::value(std::string_view dataset, std::size_t model) const {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& known) { return known.dataset == dataset; });
  if (row == rows.end() || row->values[model] == kNone) return std::nullopt;
  return row->values[model];
}

std::span<const Protocol> protocols() {
  return kProtocols;
}

Result<const Protocol*> find_protocol(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Protocol& protocol : kProtocols) {
    if (protocol.name == name) return &protocol;
    names.push_back(protocol.name);
  }
  return Error{Error::Code::kBadInput, fmt::format("protocol \"{}\" is not known", name), "",
               fmt::format("there are {}", fmt::join(names, ", "))};
}

double rounded(double value, int digits) {
  const std::string text = fmt::format("{:.{}f}", value, digits);
  double nearest = value;
  std::from_chars(text.data(), text.data() + text.size(), nearest);
  return nearest;
}

}  // namespace rerank::evaluation
