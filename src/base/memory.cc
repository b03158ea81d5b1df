#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

namespace rerank {
namespace {

std::uint64_t limit_in(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return memory_of_limit(line);
}

}  // namespace

std::uint64_t memory_of_limit(std::string_view limit) {
  std::uint64_t bytes = 0;
  const auto [end, failed] = std::from_chars(limit.data(), limit.data() + limit.size(), bytes);
  return failed == std::errc() && end == limit.data() + limit.size() ? bytes : 0;
}

std::uint64_t usable_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  std::uint64_t usable =
      static_cast<std::uint64_t>(std::max(pages, 0L)) * static_cast<std::uint64_t>(std::max(page, 0L));
  const auto tighten = [&usable](std::uint64_t limit) {
    if (limit > 0) usable = std::min(usable, limit);
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::", 0) != 0) continue;  // the one line of cgroup v2: its own limit and that of each group above
    for (std::string group = line.substr(3);; group.resize(group.rfind('/'))) {
      tighten(limit_in("/sys/fs/cgroup" + group + "/memory.max"));
      if (group.empty() || group.find('/') == std::string::npos) break;
    }
  }
  tighten(limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"));  // cgroup v1
  return usable;
}

}  // namespace rerank
