#include "evaluation/topics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/try.h"
#include "base/utf8.h"

namespace rerank::evaluation {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  for (char& byte : small)
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  return small;
}

// Entities resolved, runs of blanks as one, none at the ends, without a leading "Number:" or "Topic:".
std::string cleaned(std::string_view text, std::string_view label) {
  struct Entity {
    std::string_view name;
    char byte;
  };
  constexpr std::array kEntities = {Entity{"&amp;", '&'}, Entity{"&lt;", '<'}, Entity{"&gt;", '>'},
                                    Entity{"&quot;", '"'}, Entity{"&apos;", '\''}};
  std::string clean;
  for (std::size_t at = 0; at < text.size();) {
    const auto entity = std::find_if(kEntities.begin(), kEntities.end(),
                                     [&](const Entity& known) { return text.substr(at).starts_with(known.name); });
    const char byte = entity == kEntities.end() ? text[at] : entity->byte;
    at += entity == kEntities.end() ? 1 : entity->name.size();
    if (kBlanks.find(byte) == kBlanks.npos)
      clean += byte;
    else if (!clean.empty() && clean.back() != ' ')
      clean += ' ';
  }
  if (in_small_letters(clean).starts_with(label)) clean.erase(0, label.size());
  const std::size_t begin = clean.find_first_not_of(' ');
  if (begin == clean.npos) return "";
  return clean.substr(begin, clean.find_last_not_of(' ') - begin + 1);
}

}  // namespace

void TopicReader::begin_topic(std::string_view tag) {
  in_topic_ = true;
  field_ = Field::kNone;
  number_.clear();
  title_.clear();
  query_.clear();
  // <topic number="1">
  const std::size_t at = tag.find("number=");
  if (at == tag.npos || at + 8 > tag.size()) return;
  const char quote = tag[at + 7];
  if (quote != '"' && quote != '\'') return;
  number_ = tag.substr(at + 8, std::min(tag.find(quote, at + 8), tag.size()) - at - 8);
}

void TopicReader::add(std::string_view text) {
  if (field_ == Field::kNumber) number_.append(text).append(" ");
  if (field_ == Field::kTitle) title_.append(text).append(" ");
  if (field_ == Field::kQuery) query_.append(text).append(" ");
}

Result<std::optional<TextRecord>> TopicReader::take(std::string_view line, const std::string& where) {
  std::optional<TextRecord> done;
  while (!line.empty()) {
    const std::size_t open = line.find('<');
    if (in_topic_) add(line.substr(0, open));
    if (open == line.npos) break;
    const std::size_t close = std::min(line.find('>', open), line.size() - 1);
    const std::string_view tag = line.substr(open + 1, close - open - (line[close] == '>' ? 1 : 0));
    line.remove_prefix(close + 1);
    const std::string name = in_small_letters(tag.substr(0, tag.find_first_of(kBlanks)));
    if (name == "top" || name == "topic") {
      if (in_topic_)
        return Error{Error::Code::kBadInput, "a topic begins inside of a topic", where, "end each with </top>"};
      begin_topic(tag);
    } else if (name == "/top" || name == "/topic") {
      if (done) return Error{Error::Code::kBadInput, "two topics end in one line", where, "give each lines of its own"};
      RERANK_ASSIGN(done, finish_topic(where));
    } else {
      field_ = name == "num"     ? Field::kNumber
               : name == "title" ? Field::kTitle
               : name == "query" ? Field::kQuery
                                 : Field::kNone;
    }
  }
  return done;
}

Result<std::optional<TextRecord>> TopicReader::finish_topic(const std::string& where) {
  in_topic_ = false;
  TextRecord record{cleaned(number_, "number:"), cleaned(query_, ""), where, false, 0, false};
  if (record.text.empty()) record.text = cleaned(title_, "topic:");
  if (record.id.empty() || record.text.empty())
    return Error{Error::Code::kBadInput,
                 fmt::format("the topic \"{}\" has no {}", record.id, record.id.empty() ? "number" : "title"), where,
                 "a topic is <top> <num> NUMBER <title> QUERY </top>"};
  if (const std::size_t at = first_invalid_utf8(record.text); at != record.text.npos)
    return Error{Error::Code::kBadInput, fmt::format("the topic \"{}\" is no UTF-8", record.id), where,
                 "convert it to UTF-8"};
  return std::optional(std::move(record));
}

Result<std::optional<TextRecord>> TopicReader::finish(const std::string& file) {
  if (!in_topic_) return std::optional<TextRecord>();
  in_topic_ = false;
  return Error{Error::Code::kBadInput, "ends inside of a topic", file, "end each with </top>"};
}

}  // namespace rerank::evaluation
