#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <mutex>
#include <new>
#include <thread>

#include "base/try.h"

namespace rerank::hub {
namespace {

constexpr double kFirstPause = 0.5, kLastPause = 30;
// Shorter ones nobody notices.
constexpr double kPauseToTell = 2;
constexpr int kMostRedirects = 10;
constexpr long kWholeAnswerSeconds = 300;

// Scheme, host and port of an address; empty when it is none.
std::string origin(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts(curl_url(), curl_url_cleanup);
  if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  std::string text;
  for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
    char* value = nullptr;
    if (curl_url_get(parts.get(), part, &value, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
    text += value;
    text += '/';
    curl_free(value);
  }
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

struct Body {
  std::string text;
  std::size_t most_bytes = 0;
  bool too_long = false;
};

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* to) {
  Body& body = *static_cast<Body*>(to);
  if (body.text.size() + count > body.most_bytes) {
    body.too_long = true;
    return 0;
  }
  body.text.append(bytes, count);
  return count;
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* to) {
  take_header_line({bytes, count}, *static_cast<std::map<std::string, std::string>*>(to));
  return count;
}

}  // namespace

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

std::string_view Answer::header(std::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

void FreeHeaders::operator()(curl_slist* list) const {
  curl_slist_free_all(list);
}

Headers prepare(CURL* handle, const Settings& settings, const std::string& url, bool with_token, int stall_timeout_s) {
  curl_easy_reset(handle);
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  // Ranges run beside each other because each has a connection: HTTP/2 would put them into one.
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "rerank.cpp/" RERANK_VERSION);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings.metadata_timeout_s));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kSlowestBytesPerSecond);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall_timeout_s));
  if (!settings.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, settings.ca_file.c_str());
  if (!settings.ca_folder.empty()) curl_easy_setopt(handle, CURLOPT_CAPATH, settings.ca_folder.c_str());
  Headers headers;
  if (with_token && !settings.token.empty())
    headers.reset(curl_slist_append(nullptr, ("Authorization: Bearer " + settings.token).c_str()));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  return headers;
}

void take_header_line(std::string_view line, std::map<std::string, std::string>& headers) {
  while (line.ends_with('\n') || line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) headers.clear();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  headers[name] = value;
}

bool is_passing(long status) {
  static constexpr std::array<long, 7> kPassing = {408, 425, 429, 500, 502, 503, 504};
  return std::find(kPassing.begin(), kPassing.end(), status) != kPassing.end();
}

double pause_before(int attempt, double asked_for) {
  return std::max(asked_for, std::min(kLastPause, kFirstPause * std::exp2(attempt - 1)));
}

void tell_pause(const Note& note, const std::string& why, double seconds) {
  if (note && seconds >= kPauseToTell) note(fmt::format("{}: trying again in {:.0f} s", why, seconds));
}

double pause_asked_for(double retry_after, std::string_view rate_limit) {
  if (retry_after > 0) return retry_after;
  if (rate_limit.find(";r=0") == std::string_view::npos) return 0;
  const std::size_t at = rate_limit.find(";t=");
  if (at == std::string_view::npos) return 0;
  unsigned seconds = 0;
  const std::string_view text = rate_limit.substr(at + 3);
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

bool same_origin(const std::string& a, const std::string& b) {
  const std::string one = origin(a);
  return !one.empty() && one == origin(b);
}

bool may_follow(const std::string& from, const std::string& to) {
  const std::string one = origin(from), other = origin(to);
  if (other.starts_with("https/")) return true;
  return other.starts_with("http/") && one.starts_with("http/");
}

Error connection_error(int curl_code, const char* details, const std::string& where) {
  const auto code = static_cast<CURLcode>(curl_code);
  Error error{Error::Code::kIo, *details != '\0' ? details : curl_easy_strerror(code), where, ""};
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      error.fix =
          "is there a network? HTTPS_PROXY names a proxy, HF_ENDPOINT another hub; models that are in the cache load "
          "without";
      break;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
      error.fix = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY names hosts to be asked directly";
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      error.fix = "SSL_CERT_FILE names the certificates to trust, such as those of a company's proxy";
      break;
    case CURLE_OPERATION_TIMEDOUT:
      error.fix =
          "run it again: it goes on where it stopped. HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT are the "
          "seconds that a silent server is given";
      break;
    default:
      error.fix = "run it again: it goes on where it stopped";
      break;
  }
  return error;
}

void Http::Free::operator()(CURL* handle) const {
  curl_easy_cleanup(handle);
}

Http::Http(const Settings& settings, Note note) : settings_(settings), note_(std::move(note)) {
  start_curl();
  handle_.reset(curl_easy_init());
  if (handle_ == nullptr) throw std::bad_alloc();
}
Http::~Http() = default;

Result<Answer> Http::ask_once(const Request& request, bool& may_be_repeated) {
  Answer answer;
  answer.url = request.url;
  Body body{.text = {}, .most_bytes = request.most_bytes};
  std::array<char, CURL_ERROR_SIZE> details{};
  CURL* const handle = handle_.get();
  const Headers headers = prepare(handle, settings_, request.url, request.with_token, settings_.metadata_timeout_s);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, kWholeAnswerSeconds);
  curl_easy_setopt(handle, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &answer.headers);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, details.data());
  const CURLcode code = curl_easy_perform(handle);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
  if (body.too_long)
    return Error{Error::Code::kCorrupt, fmt::format("answers with more than {} bytes", request.most_bytes), request.url,
                 "does the address belong to a Hugging Face hub? See HF_ENDPOINT"};
  if (code != CURLE_OK) {
    // A name that is not known and a port that is closed are so a second later, too.
    may_be_repeated = code == CURLE_OPERATION_TIMEDOUT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                      code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE;
    return connection_error(code, details.data(), request.url);
  }
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
  char* redirect = nullptr;
  if (curl_easy_getinfo(handle, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK && redirect != nullptr)
    answer.redirect = redirect;
  may_be_repeated = is_passing(answer.status);
  answer.body = std::move(body.text);
  return answer;
}

Result<Answer> Http::ask(const Request& request) {
  for (int attempt = 1;; ++attempt) {
    bool may_be_repeated = false;
    Result<Answer> answer = ask_once(request, may_be_repeated);
    if (!may_be_repeated || attempt > settings_.retries) return answer;
    double asked_for = 0;
    if (answer.ok()) {
      curl_off_t retry_after = 0;
      curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &retry_after);
      asked_for = pause_asked_for(static_cast<double>(retry_after), answer.value().header("ratelimit"));
      if (asked_for > kLongestPause) return answer;
    }
    const double pause = pause_before(attempt, asked_for);
    tell_pause(note_, answer.ok() ? fmt::format("the hub answers with {}", answer.value().status) : answer.error().what,
               pause);
    std::this_thread::sleep_for(std::chrono::duration<double>(pause));
  }
}

Result<Answer> Http::ask_following(Request request) {
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    RERANK_ASSIGN(Answer answer, ask(request));
    if (answer.redirect.empty() || !same_origin(request.url, answer.redirect)) return answer;
    request.url = answer.redirect;
  }
  return Error{Error::Code::kIo, fmt::format("redirects more than {} times", kMostRedirects), request.url,
               "does the address belong to a Hugging Face hub? See HF_ENDPOINT"};
}

}  // namespace rerank::hub
