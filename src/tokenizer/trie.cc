#include "tokenizer/trie.h"

#include <algorithm>

namespace rerank::tokenizer {

// Places the nodes of sorted keys, widest search first in the blocks that are still open.
class TrieBuilder {
 public:
  explicit TrieBuilder(Trie& trie) : units_(trie.units_) {}

  std::uint32_t build(std::span<const Trie::Entry> entries) {
    add_block();
    if (entries.empty()) return Trie::kLeaf;
    std::uint32_t root = Trie::kLeaf;
    struct Job {
      std::uint32_t first, last;  // of the entries below this node
      std::uint32_t depth;
      std::uint32_t slot;  // of this node; kFree is the root
    };
    std::vector<Job> jobs = {{0, static_cast<std::uint32_t>(entries.size()), 0, Trie::kFree}};
    std::vector<unsigned char> labels;
    std::vector<std::uint32_t> starts;
    while (!jobs.empty()) {
      const Job job = jobs.back();
      jobs.pop_back();
      labels.clear();
      starts.clear();
      for (std::uint32_t i = job.first; i < job.last; ++i) {
        const auto label = static_cast<unsigned char>(entries[i].key[job.depth]);
        if (!labels.empty() && labels.back() == label) continue;
        labels.push_back(label);
        starts.push_back(i);
      }
      starts.push_back(job.last);
      const std::uint32_t base = place(labels);
      (job.slot == Trie::kFree ? root : units_[job.slot].base) = base;
      for (std::size_t child = 0; child < labels.size(); ++child) {
        const std::uint32_t slot = base ^ labels[child];
        std::uint32_t first = starts[child];
        // Sorted keys: the one that ends here comes first.
        if (entries[first].key.size() == job.depth + 1) units_[slot].value = entries[first++].value;
        if (first < starts[child + 1]) jobs.push_back({first, starts[child + 1], job.depth + 1, slot});
      }
    }
    return root;
  }

 private:
  static constexpr std::uint32_t kBlock = 256, kOpenBlocks = 16;

  // Free slots form a ring through next_/previous_. A base may serve one node only: `base_used_`.
  void add_block() {
    const auto begin = static_cast<std::uint32_t>(units_.size());
    if (begin / kBlock >= kOpenBlocks) close_block(begin / kBlock - kOpenBlocks);
    units_.resize(begin + kBlock);
    next_.resize(begin + kBlock);
    previous_.resize(begin + kBlock);
    base_used_.resize(begin + kBlock);
    if (begin == 0) base_used_[Trie::kLeaf] = true;
    for (std::uint32_t slot = begin; slot < begin + kBlock; ++slot) insert(slot);
  }
  void close_block(std::uint32_t block) {
    for (std::uint32_t slot = block * kBlock; slot < (block + 1) * kBlock; ++slot)
      if (units_[slot].check == Trie::kFree) remove(slot);
  }
  void insert(std::uint32_t slot) {
    if (head_ == Trie::kFree) {
      head_ = next_[slot] = previous_[slot] = slot;
      return;
    }
    const std::uint32_t last = previous_[head_];
    next_[last] = slot;
    previous_[slot] = last;
    next_[slot] = head_;
    previous_[head_] = slot;
  }
  void remove(std::uint32_t slot) {
    if (next_[slot] == slot) {
      head_ = Trie::kFree;
      return;
    }
    next_[previous_[slot]] = next_[slot];
    previous_[next_[slot]] = previous_[slot];
    if (head_ == slot) head_ = next_[slot];
  }

  bool fits(std::uint32_t base, const std::vector<unsigned char>& labels) const {
    if (base_used_[base]) return false;
    return std::all_of(labels.begin(), labels.end(),
                       [&](unsigned char label) { return units_[base ^ label].check == Trie::kFree; });
  }

  std::uint32_t place(const std::vector<unsigned char>& labels) {
    std::uint32_t base = Trie::kFree;
    if (head_ != Trie::kFree) {
      std::uint32_t slot = head_;
      do {
        if (fits(slot ^ labels[0], labels)) {
          base = slot ^ labels[0];
          break;
        }
        slot = next_[slot];
      } while (slot != head_);
    }
    if (base == Trie::kFree) {
      const auto begin = static_cast<std::uint32_t>(units_.size());
      add_block();
      base = begin;
    }
    base_used_[base] = true;
    for (const unsigned char label : labels) {
      const std::uint32_t slot = base ^ label;
      remove(slot);
      units_[slot].check = base;
    }
    return base;
  }

  std::vector<Trie::Unit>& units_;
  std::vector<std::uint32_t> next_, previous_;
  std::vector<bool> base_used_;
  std::uint32_t head_ = Trie::kFree;
};

Trie Trie::build(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.key.empty(); });
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  std::size_t write = 0;
  for (const Entry& entry : entries) {
    if (write > 0 && entries[write - 1].key == entry.key)
      entries[write - 1] = entry;
    else
      entries[write++] = entry;
  }
  entries.resize(write);
  Trie trie;
  trie.root_ = TrieBuilder(trie).build(entries);
  trie.units_.shrink_to_fit();
  return trie;
}

}  // namespace rerank::tokenizer
