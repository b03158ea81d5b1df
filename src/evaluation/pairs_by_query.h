// Collects the (query, passage) pairs of a file, query by query in the order of their first line.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/try.h"
#include "evaluation/bad_line.h"
#include "rerank/error.h"

namespace rerank::evaluation {

//   Entry    what a line says, with a passage_id
template <class Entry>
class PairsByQuery {
 public:
  struct Group {
    std::string query_id;
    std::vector<Entry> entries;
    std::vector<std::size_t> lines;  // [entries]
  };

  void add(std::string_view query_id, Entry entry, std::size_t line) {
    // Almost always the query of the line before.
    if (groups_.empty() || groups_[current_].query_id != query_id) {
      const auto [at, is_new] = group_of_.try_emplace(std::string(query_id), groups_.size());
      if (is_new) groups_.push_back({std::string(query_id), {}, {}});
      current_ = at->second;
    }
    groups_[current_].entries.push_back(std::move(entry));
    groups_[current_].lines.push_back(line);
  }

  // Line numbers are 0 for a file that is one JSON text.
  // Gives each line that repeats a pair of its query to `bad`, and leaves it out where that lets it.
  //   where(line)   "run.trec line 17"
  template <class Where>
  Status check_unique(const Where& where, const BadLine& bad) {
    for (Group& group : groups_) {
      std::vector<std::size_t> order(group.entries.size()), repeated;
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [&group](std::size_t a, std::size_t b) {
        const int compared = group.entries[a].passage_id.compare(group.entries[b].passage_id);
        return compared != 0 ? compared < 0 : a < b;
      });
      std::size_t first = 0;  // in `order`: the first of the equal ones
      for (std::size_t i = 1; i < order.size(); ++i) {
        if (group.entries[order[first]].passage_id != group.entries[order[i]].passage_id) {
          first = i;
          continue;
        }
        const std::size_t earlier = group.lines[order[first]];
        RERANK_TRY(
            bad({Error::Code::kBadInput,
                 fmt::format("query {} and passage {} stand {}", group.query_id, group.entries[order[i]].passage_id,
                             earlier == 0 ? "there twice" : fmt::format("in line {} already", earlier)),
                 where(group.lines[order[i]]), "keep one of the two"}));
        repeated.push_back(order[i]);
      }
      std::sort(repeated.rbegin(), repeated.rend());
      for (const std::size_t index : repeated) {
        group.entries.erase(group.entries.begin() + static_cast<std::ptrdiff_t>(index));
        group.lines.erase(group.lines.begin() + static_cast<std::ptrdiff_t>(index));
      }
    }
    return {};
  }

  std::vector<Group> take() { return std::move(groups_); }
  bool empty() const { return groups_.empty(); }

 private:
  std::vector<Group> groups_;
  std::unordered_map<std::string, std::size_t> group_of_;
  std::size_t current_ = 0;
};

}  // namespace rerank::evaluation
