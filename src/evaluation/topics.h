// Queries in TREC's topic files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "evaluation/text_records.h"
#include "rerank/error.h"

namespace rerank::evaluation {

// Is given a file line by line. The classic form is SGML whose elements mostly have no end:
//   <top> <num> Number: 301 <title> International Organized Crime <desc> ... </top>
// and the web track's is XML: <topic number="1"><query>obama family tree</query> ... </topic>. The query is the
// <query>, or the <title> where there is none; entities are resolved, runs of blanks become one.
class TopicReader {
 public:
  // A topic, when the line ends one. kBadInput where that has no number or no title.
  Result<std::optional<TextRecord>> take(std::string_view line, const std::string& where);
  // At the end of the file. kBadInput when that is inside of a topic.
  Result<std::optional<TextRecord>> finish(const std::string& file);

 private:
  Result<std::optional<TextRecord>> finish_topic(const std::string& where);
  void begin_topic(std::string_view tag);
  void add(std::string_view text);

  enum class Field { kNone, kNumber, kTitle, kQuery };
  bool in_topic_ = false;
  Field field_ = Field::kNone;
  std::string number_, title_, query_;
};

}  // namespace rerank::evaluation
