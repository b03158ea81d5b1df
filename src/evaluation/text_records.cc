#include "evaluation/text_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include "base/try.h"
#include "base/utf8.h"
#include "evaluation/columns.h"
#include "evaluation/json_pairs.h"
#include "evaluation/topics.h"
#include "io/json.h"

namespace rerank::evaluation {
namespace fs = std::filesystem;

struct TextReader::Source {
  virtual ~Source() = default;
  virtual Result<std::optional<TextRecord>> next() = 0;
};

namespace {

using Kind = TextReader::Kind;
using Record = std::optional<TextRecord>;

constexpr const char* kForms =
    "a line is {\"_id\": ..., \"text\": ...}, ID<TAB>TEXT, or CSV below a header that names an id and a text column";

std::string joined(std::string_view title, std::string_view text) {
  return title.empty() ? std::string(text) : fmt::format("{} {}", title, text);
}

Result<std::string> checked(std::string text, const std::string& where) {
  if (const std::size_t at = first_invalid_utf8(text); at != text.npos)
    return Error{Error::Code::kBadInput, fmt::format("is no UTF-8 from byte {} on", at), where, "convert it to UTF-8"};
  return text;
}

// All forms of one record a line, and TREC topics.
class LineSource : public TextReader::Source {
 public:
  LineSource(io::LineReader lines, Kind kind) : lines_(std::move(lines)), kind_(kind) {}

  Result<Record> next() override {
    while (true) {
      if (!request_.empty()) {
        TextRecord record = std::move(request_.front());
        request_.pop_front();
        return Record(std::move(record));
      }
      RERANK_ASSIGN(const std::optional<io::Line> line, lines_.next());
      if (!line) return form_ == Form::kTopics ? topics_.finish(lines_.name()) : Result<Record>(Record());
      if (line->text.find_first_not_of(" \t\r") == line->text.npos) continue;
      if (form_ == Form::kUnknown && choose(line->text)) continue;
      const std::string where = lines_.where(line->number);
      if (form_ == Form::kTopics) {
        RERANK_ASSIGN(Record topic, topics_.take(line->text, where));
        if (topic) return topic;
        continue;
      }
      Result<Record> record = form_ == Form::kJson    ? from_json(line->text, where)
                              : form_ == Form::kNamed ? from_named(line->text)
                                                      : from_tabs(line->text);
      if (!record.ok()) {
        if (record.error().where.empty()) record.error().where = where;
        if (record.error().fix.empty()) record.error().fix = form_ == Form::kJson ? "" : kForms;
        return record.error();
      }
      if (!record.value()) continue;  // its passages wait in request_
      record.value()->where = where;
      if (form_ != Form::kJson) {  // the JSON parser has looked already
        RERANK_ASSIGN(record.value()->text, checked(std::move(record.value()->text), where));
      }
      return record;
    }
  }

 private:
  enum class Form { kUnknown, kJson, kNamed, kTabs, kTopics };

  // By the first line that is not blank; true where that is a header.
  bool choose(std::string_view first) {
    const std::size_t at = first.find_first_not_of(" \t\r");
    form_ = first[at] == '{' || first[at] == '[' ? Form::kJson : Form::kTabs;
    if (form_ == Form::kJson) return false;
    if (first[at] == '<' && kind_ == Kind::kQueries) {
      form_ = Form::kTopics;
      return false;
    }
    constexpr std::array kRequired = {ColumnNames{"id", kIdColumn}, ColumnNames{"text", kTextColumn}};
    constexpr std::array kOptional = {ColumnNames{"title", kTitleColumn}};
    named_ = NamedColumns::find(first, kRequired, kOptional);
    if (named_) form_ = Form::kNamed;
    return form_ == Form::kNamed;
  }

  Result<Record> from_json(std::string_view line, const std::string& where) {
    RERANK_ASSIGN(const io::Json object, parser_.parse(line, {where, Error::Code::kBadInput}));
    if (!object.is_object()) return object.expected("an object");
    if (object.find("candidates")) return from_request(object, where);
    RERANK_ASSIGN(const std::string_view id, first_of(object, {"_id", "id", "docid", "doc_id", "docno", "qid"}));
    if (kind_ == Kind::kPassages) return passage(object, std::string(id));
    RERANK_ASSIGN(const std::string_view text, first_of(object, {"text", "query", "question", "title"}));
    return Record({std::string(id), std::string(text), "", false, 0, false});
  }

  static Result<Record> passage(const io::Json& object, std::string id) {
    RERANK_ASSIGN(const std::string_view text,
                  first_of(object, {"text", "contents", "content", "body", "passage", "segment"}));
    RERANK_ASSIGN(const std::string title, object.string_or("title", ""));
    return Record({std::move(id), joined(title, text), "", object.find("title").has_value(), title.size(), false});
  }

  // Its query, or nothing, with its passages in request_.
  Result<Record> from_request(const io::Json& object, const std::string& where) {
    RERANK_ASSIGN(const io::Json query, object.get("query"));
    if (kind_ == Kind::kQueries) {
      RERANK_ASSIGN(std::string id, text_or_number_at(query, "qid"));
      RERANK_ASSIGN(const std::string_view text, query.string_at("text"));
      return Record({std::move(id), std::string(text), "", false, 0, true});
    }
    RERANK_ASSIGN(const io::Json candidates, object.get("candidates"));
    RERANK_ASSIGN(const simdjson::dom::array list, candidates.array());
    std::deque<TextRecord> passages;
    for (const simdjson::dom::element element : list) {
      const io::Json candidate = candidates.item(element, passages.size());
      if (!candidate.is_object()) return candidate.expected("an object");
      RERANK_ASSIGN(std::string id, text_or_number_at(candidate, "docid"));
      RERANK_ASSIGN(const io::Json doc, candidate.get("doc"));
      RERANK_ASSIGN(Record record, passage(doc, std::move(id)));
      record->where = where;
      record->in_request = true;
      passages.push_back(std::move(*record));
    }
    request_ = std::move(passages);
    return Record();
  }

  // The first of the members that is there; the error is about the first name.
  static Result<std::string_view> first_of(const io::Json& object, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names)
      if (object.find(name)) return object.string_at(name);
    return object.string_at(*names.begin());
  }

  Result<Record> from_named(std::string_view line) {
    RERANK_ASSIGN(const std::span<const std::string> fields, named_->read(line));
    if (fields[0].empty()) return Error{Error::Code::kBadInput, "the id is empty", "", ""};
    const bool has_title = kind_ == Kind::kPassages && !fields[2].empty();
    return Record({fields[0], joined(has_title ? fields[2] : "", fields[1]), "", has_title,
                   has_title ? fields[2].size() : 0, false});
  }

  Result<Record> from_tabs(std::string_view line) {
    split_at_tabs(line, columns_);
    const bool is_document = kind_ == Kind::kPassages && columns_.size() == 4;  // ID, URL, TITLE, TEXT
    if (columns_.size() != 2 && !is_document)
      return Error{Error::Code::kBadInput, fmt::format("has {} columns, expected 2", columns_.size()), "", ""};
    if (columns_[0].empty()) return Error{Error::Code::kBadInput, "the id is empty", "", ""};
    return Record({std::string(columns_[0]), is_document ? joined(columns_[2], columns_[3]) : std::string(columns_[1]),
                   "", is_document, is_document ? columns_[2].size() : 0, false});
  }

  io::LineReader lines_;
  Kind kind_;
  Form form_ = Form::kUnknown;
  io::JsonParser parser_;
  std::optional<NamedColumns> named_;
  Columns columns_;
  TopicReader topics_;
  std::deque<TextRecord> request_;  // passages of a line that holds several
};

// A folder of text files.
class FolderSource : public TextReader::Source {
 public:
  explicit FolderSource(fs::path folder) : folder_(std::move(folder)) {}

  Status list() {
    std::error_code code;
    for (fs::recursive_directory_iterator entry(folder_, code), end; !code && entry != end; entry.increment(code)) {
      const std::string extension = entry->path().extension().string();
      std::error_code ignored;
      if ((extension == ".txt" || extension == ".md") && entry->is_regular_file(ignored))
        files_.push_back(entry->path());
    }
    if (code) return Error{Error::Code::kIo, code.message(), folder_.string(), ""};
    if (files_.empty())
      return Error{Error::Code::kBadInput, "holds no .txt or .md file", folder_.string(),
                   "name a folder of text files, or a corpus file"};
    std::sort(files_.begin(), files_.end());
    return {};
  }

  Result<Record> next() override {
    if (next_ == files_.size()) return Record();
    const fs::path& file = files_[next_++];
    RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(file.string()));
    TextRecord record;
    record.where = file.string();
    for (const char byte : file.lexically_relative(folder_).generic_string())
      byte == ' ' ? record.id += "%20" : record.id += byte;
    while (true) {
      RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
      if (!line) break;
      if (!record.text.empty()) record.text += '\n';
      record.text += line->text;
    }
    RERANK_ASSIGN(record.text, checked(std::move(record.text), record.where));
    return Record(std::move(record));
  }

 private:
  fs::path folder_;
  std::vector<fs::path> files_;
  std::size_t next_ = 0;
};

}  // namespace

TextReader::TextReader(std::unique_ptr<Source> source) : source_(std::move(source)) {}
TextReader::TextReader(TextReader&&) noexcept = default;
TextReader& TextReader::operator=(TextReader&&) noexcept = default;
TextReader::~TextReader() = default;

Result<TextReader> TextReader::open(const fs::path& path, Kind kind) {
  std::error_code ignored;
  if (kind == Kind::kPassages && fs::is_directory(path, ignored)) {
    auto folder = std::make_unique<FolderSource>(path);
    RERANK_TRY(folder->list());
    return TextReader(std::move(folder));
  }
  RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(path.string()));
  return over(std::move(lines), kind);
}

TextReader TextReader::over(io::LineReader lines, Kind kind) {
  return TextReader(std::make_unique<LineSource>(std::move(lines), kind));
}

Result<std::optional<TextRecord>> TextReader::next() {
  return source_->next();
}

}  // namespace rerank::evaluation
