#include "hub/range_fetcher.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <optional>

#include "base/process.h"
#include "base/try.h"
#include "hub/http.h"

namespace rerank::hub {
namespace {

// A try that brought fewer bytes counts as one that brought nothing.
constexpr std::uint64_t kProgress = 64 << 10;
constexpr int kMostRedirects = 10;
constexpr int kPollMilliseconds = 100;

struct FreeEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

// "bytes 5-9/100": the first byte and the size of the whole; nothing where it says something else.
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_content_range(std::string_view text) {
  const auto number = [&](std::string_view& from) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(from.data(), from.data() + from.size(), value);
    if (failed != std::errc()) return std::nullopt;
    from.remove_prefix(static_cast<std::size_t>(end - from.data()));
    return value;
  };
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const auto first = number(text);
  const std::size_t slash = text.find('/');
  if (!first || slash == std::string_view::npos) return std::nullopt;
  text.remove_prefix(slash + 1);
  const auto size = number(text);
  if (!size) return std::nullopt;
  return std::pair(*first, *size);
}

class Fetcher;

// A stretch of the file and the request for what is missing of it.
struct Part {
  Fetcher* fetcher = nullptr;
  std::uint64_t begin = 0, end = 0, received = 0;
  std::uint64_t to_skip = 0;  // bytes that a server without ranges sends once more
  std::string held;           // received, but not yet handed on
  int failures = 0;           // in a row
  double not_before = 0;      // the next try, by wall_seconds()

  // Of the request that is under way.
  std::unique_ptr<CURL, FreeEasy> handle{};
  Headers request_headers{};
  bool active = false, asked_for_range = false, checked = false, ranges_ignored = false;
  std::uint64_t received_before = 0;
  std::map<std::string, std::string> headers{};
  std::array<char, CURL_ERROR_SIZE> details{};
  std::optional<Error> refused{};  // why no more bytes are taken

  bool complete() const { return received == end - begin; }
};

class Fetcher {
 public:
  Fetcher(const Settings& settings, const RangeFetch& fetch)
      : settings_(settings), fetch_(fetch), where_(fetch.where), next_(fetch.begin), multi_(curl_multi_init()) {
    if (multi_ == nullptr) throw std::bad_alloc();
    split_ = fetch.size - fetch.begin > 2 * kRangeBytes;
  }
  ~Fetcher() {
    for (const auto& part : window_) stop(*part);
  }
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  Status run();

 private:
  void fill();
  void start(Part& part);
  void stop(Part& part);
  Status finish(Part& part, CURLcode code);
  Status hand_on();
  void read_without_ranges();
  Status try_again(Part& part, const Error& why, double asked_for);
  bool check_answer(Part& part);
  std::size_t take(Part& part, std::string_view bytes);
  static std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* to);
  static std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* to);
  Error wrong_size(std::string what) const;

  const Settings& settings_;
  const RangeFetch& fetch_;
  Location where_;
  std::uint64_t next_;  // where the part after the window begins
  bool split_ = false, ranges_ = true;
  int redirects_ = 0;
  std::optional<Error> write_error_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  std::deque<std::unique_ptr<Part>> window_;  // in the file's order
};

Error Fetcher::wrong_size(std::string what) const {
  return Error{Error::Code::kCorrupt, std::move(what), fetch_.name,
               "the hub contradicts itself; try again later, or another HF_ENDPOINT"};
}

void Fetcher::fill() {
  const std::size_t most = split_ && ranges_ ? kRangesAhead : 1;
  while (window_.size() < most && next_ < fetch_.size) {
    auto part = std::make_unique<Part>();
    part->fetcher = this;
    part->begin = next_;
    part->end = most == 1 ? fetch_.size : std::min(next_ + kRangeBytes, fetch_.size);
    next_ = part->end;
    window_.push_back(std::move(part));
  }
}

void Fetcher::start(Part& part) {
  if (part.handle == nullptr) part.handle.reset(curl_easy_init());
  if (part.handle == nullptr) throw std::bad_alloc();
  CURL* const handle = part.handle.get();
  part.request_headers = prepare(handle, settings_, where_.url, where_.with_token, settings_.stall_timeout_s);
  part.headers.clear();
  part.details.fill('\0');
  part.refused.reset();
  part.checked = part.ranges_ignored = false;
  part.received_before = part.received;
  const std::uint64_t from = part.begin + part.received;
  part.asked_for_range = ranges_ && (from > 0 || part.end < fetch_.size);
  part.to_skip = ranges_ ? 0 : from;
  if (part.asked_for_range) curl_easy_setopt(handle, CURLOPT_RANGE, fmt::format("{}-{}", from, part.end - 1).c_str());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &part);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &part.headers);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, part.details.data());
  curl_easy_setopt(handle, CURLOPT_PRIVATE, &part);
  curl_multi_add_handle(multi_.get(), handle);
  part.active = true;
}

void Fetcher::stop(Part& part) {
  if (part.active) curl_multi_remove_handle(multi_.get(), part.handle.get());
  part.active = false;
}

std::size_t Fetcher::take_header(char* bytes, std::size_t, std::size_t count, void* to) {
  take_header_line({bytes, count}, *static_cast<std::map<std::string, std::string>*>(to));
  return count;
}

std::size_t Fetcher::take_body(char* bytes, std::size_t, std::size_t count, void* to) {
  Part& part = *static_cast<Part*>(to);
  return part.fetcher->take(part, {bytes, count});
}

// Whether the answer is the stretch that was asked for; `refused` says why not.
bool Fetcher::check_answer(Part& part) {
  long status = 0;
  curl_easy_getinfo(part.handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == 206) {
    const auto range = parse_content_range(part.headers["content-range"]);
    redirects_ = 0;
    if (range && range->first == part.begin + part.received && range->second == fetch_.size) return true;
    part.refused = wrong_size(fmt::format("answers with the range \"{}\", expected {} of {} bytes",
                                          part.headers["content-range"], part.begin + part.received, fetch_.size));
    return false;
  }
  if (status != 200) return true;  // the text of an error, which finish() knows by its status
  if (part.asked_for_range) {
    part.ranges_ignored = true;
    return false;
  }
  curl_off_t length = -1;
  curl_easy_getinfo(part.handle.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length >= 0 && static_cast<std::uint64_t>(length) > fetch_.size) {
    part.refused = wrong_size(fmt::format("sends {} bytes, {} were announced", length, fetch_.size));
    return false;
  }
  return true;
}

std::size_t Fetcher::take(Part& part, std::string_view bytes) {
  if (!part.checked && !check_answer(part)) return 0;
  part.checked = true;
  long status = 0;
  curl_easy_getinfo(part.handle.get(), CURLINFO_RESPONSE_CODE, &status);
  const std::size_t count = bytes.size();
  if (status != 200 && status != 206) return count;
  const std::size_t skipped = std::min<std::uint64_t>(part.to_skip, count);
  part.to_skip -= skipped;
  bytes.remove_prefix(skipped);
  if (bytes.size() > part.end - part.begin - part.received) {
    part.refused = wrong_size(fmt::format("sends more than the {} bytes that were announced", fetch_.size));
    return 0;
  }
  if (&part == window_.front().get()) {
    const Status written = fetch_.write(bytes);
    if (!written.ok()) {
      write_error_ = written.error();
      return 0;
    }
  } else {
    part.held.reserve(part.end - part.begin);
    part.held.append(bytes);
  }
  part.received += bytes.size();
  fetch_.on_bytes(static_cast<std::int64_t>(bytes.size()));
  return count;
}

// What is whole at the front of the window leaves it; the next one's bytes follow.
Status Fetcher::hand_on() {
  while (!window_.empty() && window_.front()->complete()) {
    window_.pop_front();
    if (window_.empty()) break;
    Part& front = *window_.front();
    RERANK_TRY(fetch_.write(front.held));
    std::string().swap(front.held);
  }
  return {};
}

void Fetcher::read_without_ranges() {
  const std::uint64_t written = window_.front()->begin + window_.front()->received;
  std::int64_t dropped = 0;
  for (const auto& part : window_) {
    stop(*part);
    if (part != window_.front()) dropped += static_cast<std::int64_t>(part->received);
  }
  fetch_.on_bytes(-dropped);
  window_.clear();
  ranges_ = false;
  next_ = written;
}

Status Fetcher::try_again(Part& part, const Error& why, double asked_for) {
  part.failures = part.received - part.received_before >= kProgress ? 1 : part.failures + 1;
  if (part.failures > settings_.retries || asked_for > kLongestPause) return why;
  const double pause = pause_before(part.failures, asked_for);
  tell_pause(fetch_.on_note, why.where.empty() ? why.what : why.where + ": " + why.what, pause);
  part.not_before = wall_seconds() + pause;
  return {};
}

Status Fetcher::finish(Part& part, CURLcode code) {
  stop(part);
  if (write_error_) return *write_error_;
  if (part.ranges_ignored) {
    read_without_ranges();
    return {};
  }
  if (part.refused) return *part.refused;
  if (part.complete()) return hand_on();

  long status = 0;
  curl_off_t retry_after = 0;
  CURL* const handle = part.handle.get();
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
  const bool answered = status == 200 || status == 206;
  if (code != CURLE_OK || answered) {
    const bool passing = code == CURLE_OK || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR ||
                         code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_OPERATION_TIMEDOUT ||
                         code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                         code == CURLE_SSL_CONNECT_ERROR;
    const std::string place = fmt::format("{}, byte {} of {}", fetch_.name, part.begin + part.received, fetch_.size);
    Error error = connection_error(code, code == CURLE_OK ? "the server ends too early" : part.details.data(), place);
    if (!passing) return error;
    return try_again(part, error, 0);
  }
  char* redirect = nullptr;
  if (status >= 300 && status < 400 && curl_easy_getinfo(handle, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK &&
      redirect != nullptr && may_follow(where_.url, redirect) && ++redirects_ <= kMostRedirects) {
    where_ = {redirect, where_.with_token && same_origin(where_.url, redirect)};
    return {};
  }
  const Error error{Error::Code::kIo, fmt::format("the server answers with {}", status), fetch_.name,
                    "run it again: it goes on where it stopped"};
  if (is_passing(status))
    return try_again(part, error, pause_asked_for(static_cast<double>(retry_after), part.headers["ratelimit"]));
  if (status == 401 || status == 403 || status == 404 || status == 410) {
    RERANK_TRY(try_again(part, error, 0));
    RERANK_ASSIGN(where_, fetch_.locate_again());
    return {};
  }
  return error;
}

Status Fetcher::run() {
  fill();
  while (!window_.empty()) {
    const double now = wall_seconds();
    int active = 0;
    for (const auto& part : window_) active += part->active;
    for (const auto& part : window_)
      if (!part->active && !part->complete() && part->not_before <= now && active < kConnections) {
        start(*part);
        ++active;
      }
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_.get(), &left)) {
      Part* part = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &part);
      const CURLcode code = message->data.result;  // finish() takes the message away, and those of parts it drops
      RERANK_TRY(finish(*part, code));
    }
    fill();
    if (!window_.empty()) curl_multi_poll(multi_.get(), nullptr, 0, kPollMilliseconds, nullptr);
  }
  return {};
}

}  // namespace

Status fetch_ranges(const Settings& settings, const RangeFetch& fetch) {
  if (fetch.begin == fetch.size) return {};
  start_curl();
  return Fetcher(settings, fetch).run();
}

}  // namespace rerank::hub
