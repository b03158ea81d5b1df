#include "tokenizer/trie.h"

#include <algorithm>
#include <string>

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

namespace {

// The first eight bytes of a key as a number that orders as they do.
std::uint64_t prefix_of(std::string_view key) {
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < 8; ++i) prefix = prefix << 8 | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
  return prefix;
}

}  // namespace

Trie Trie::build(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.key.empty(); });
  // Sorting numbers first spares most comparisons of keys. Equal keys stay in the order given.
  struct Place {
    std::uint64_t prefix;
    std::uint32_t index;
  };
  std::vector<Place> order;
  order.reserve(entries.size());
  std::size_t bytes = 0;
  for (const Entry& entry : entries) {
    order.push_back({prefix_of(entry.key), static_cast<std::uint32_t>(order.size())});
    bytes += entry.key.size();
  }
  std::sort(order.begin(), order.end(), [&](const Place& a, const Place& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const int compared = entries[a.index].key.compare(entries[b.index].key);
    return compared != 0 ? compared < 0 : a.index < b.index;
  });
  // The keys side by side in their new order: building walks over them again and again.
  std::string keys;
  keys.reserve(bytes);
  std::vector<Entry> sorted;
  sorted.reserve(entries.size());
  for (const Place& place : order) {
    const Entry& entry = entries[place.index];
    if (!sorted.empty() && sorted.back().key == entry.key) {
      sorted.back().value = entry.value;
      continue;
    }
    const std::size_t begin = keys.size();
    keys += entry.key;
    sorted.push_back({std::string_view(keys).substr(begin), entry.value});
  }
  Trie trie;
  trie.root_ = TrieBuilder(trie).build(sorted);
  trie.units_.shrink_to_fit();
  return trie;
}

}  // namespace rerank::tokenizer
