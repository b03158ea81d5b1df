#include "server/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <random>

namespace rerank::server {
namespace {

// Unique without asking the system's source each time: a secret start, and a count that is mixed well (splitmix64).
std::uint64_t next_unique() {
  static const std::uint64_t start = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
  }();
  static std::atomic<std::uint64_t> count{0};
  std::uint64_t x = start + 0x9E3779B97F4A7C15 * (count.fetch_add(1, std::memory_order_relaxed) + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

}  // namespace

std::string new_request_id() {
  return fmt::format("{:016x}{:016x}", next_unique(), next_unique());
}

bool is_good_request_id(std::string_view id) {
  constexpr std::string_view kOthers = "._-:/+=";
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

std::optional<TraceParent> parse_traceparent(std::string_view header) {
  constexpr std::size_t kLength = 55;
  if (header.size() < kLength || header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  const std::string_view version = header.substr(0, 2);
  const TraceParent trace{std::string(header.substr(3, 32)), std::string(header.substr(36, 16)),
                          std::string(header.substr(53, 2))};
  if (!is_lower_hex(version) || version == "ff" || !is_lower_hex(trace.trace_id) || !is_lower_hex(trace.parent_id) ||
      !is_lower_hex(trace.flags) || is_zero(trace.trace_id) || is_zero(trace.parent_id))
    return std::nullopt;
  if (header.size() > kLength && (version == "00" || header[kLength] != '-')) return std::nullopt;
  return trace;
}

TraceParent child_of(const TraceParent& trace) {
  return {trace.trace_id, fmt::format("{:016x}", next_unique() | 1), trace.flags};
}

std::string to_string(const TraceParent& trace) {
  return fmt::format("00-{}-{}-{}", trace.trace_id, trace.parent_id, trace.flags);
}

std::optional<std::chrono::milliseconds> parse_timeout(std::string_view header) {
  constexpr double kDay = 24 * 60 * 60;
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(header.data(), header.data() + header.size(), seconds, std::chars_format::fixed);
  if (error != std::errc() || end != header.data() + header.size() || !(seconds >= 0.001) || seconds > kDay)
    return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace rerank::server
