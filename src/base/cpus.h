// How many CPUs this process may really use.
#pragma once

#include <string_view>

namespace rerank {

// CPUs of the affinity mask, but no more than the control group's quota allows (rounded up), and at least 1. A
// container with a quota of two CPUs on a machine of 64 must not start 64 threads.
int usable_cpus();

// CPUs that a cgroup v2 "cpu.max" line grants ("200000 100000" is 2, "max 100000" no limit), or 0 for no limit or no
// sense.
int cpus_of_quota(std::string_view cpu_max);

}  // namespace rerank
