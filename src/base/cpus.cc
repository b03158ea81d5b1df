#include "base/cpus.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <thread>

namespace rerank {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The quota of this process's own group or of any above it: the tightest one holds.
int cgroup_cpus() {
  std::ifstream groups("/proc/self/cgroup");
  int tightest = 0;
  const auto tighten = [&tightest](int cpus) {
    if (cpus > 0) tightest = tightest == 0 ? cpus : std::min(tightest, cpus);
  };
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::", 0) != 0) continue;  // the one line of cgroup v2
    for (std::string group = line.substr(3);; group.resize(group.rfind('/'))) {
      tighten(cpus_of_quota(first_line("/sys/fs/cgroup" + group + "/cpu.max")));
      if (group.empty() || group.find('/') == std::string::npos) break;
    }
  }
  const std::string quota = first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");  // cgroup v1
  if (!quota.empty() && quota[0] != '-')
    tighten(cpus_of_quota(quota + ' ' + first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us")));
  return tightest;
}

}  // namespace

int cpus_of_quota(std::string_view cpu_max) {
  const std::size_t blank = cpu_max.find(' ');
  if (blank == std::string_view::npos) return 0;
  const std::string_view texts[2] = {cpu_max.substr(0, blank), cpu_max.substr(blank + 1)};
  long long numbers[2] = {};  // quota and period in microseconds
  for (int i = 0; i < 2; ++i)
    if (std::from_chars(texts[i].data(), texts[i].data() + texts[i].size(), numbers[i]).ec != std::errc() ||
        numbers[i] <= 0)
      return 0;
  return static_cast<int>(std::min<long long>((numbers[0] + numbers[1] - 1) / numbers[1], 1 << 20));
}

int usable_cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) cpus = CPU_COUNT(&mask);
  if (const int quota = cgroup_cpus(); quota > 0) cpus = std::min(cpus, quota);
  return std::max(cpus, 1);
}

}  // namespace rerank
