// One request to the hub and its answer, over libcurl. Redirects are not followed here: whoever asks decides where the
// token may go.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hub/settings.h"
#include "rerank/error.h"

typedef void CURL;
struct curl_slist;

namespace rerank::hub {

// An answer that comes slower is taken for dead, in bytes a second.
inline constexpr long kSlowestBytesPerSecond = 1024;
// A hub that asks for a longer pause is not waited for, in seconds.
inline constexpr double kLongestPause = 300;

// Takes a sentence for people; may be empty.
using Note = std::function<void(const std::string& text)>;

struct Request {
  bool head = false;  // GET otherwise
  std::string url;
  bool with_token = false;
  std::size_t most_bytes = 0;  // a longer body is an error
};

struct Answer {
  long status = 0;
  std::string url;                             // that was asked
  std::string redirect;                        // absolute; empty where there is none
  std::map<std::string, std::string> headers;  // names in small letters; of a repeated one the last
  std::string body;

  // A header's value, empty where it is not there.
  std::string_view header(std::string_view name) const;
};

// One request after the other, over connections that stay open.
class Http {
 public:
  // `note` hears of pauses that somebody might wonder about.
  Http(const Settings& settings, Note note);
  ~Http();

  // Whatever the hub answers. Busy (429), failing (5xx) or dying servers are asked again, with growing pauses or those
  // that they ask for. kIo when nothing comes: no network, no such host, a certificate that is not trusted.
  Result<Answer> ask(const Request& request);

  // The same and redirects inside of one origin, with the token; a redirect to another one is the answer.
  Result<Answer> ask_following(Request request);

 private:
  Result<Answer> ask_once(const Request& request, bool& may_be_repeated);

  const Settings& settings_;
  Note note_;
  struct Free {
    void operator()(CURL* handle) const;
  };
  std::unique_ptr<CURL, Free> handle_;
};

// What Http and fetch_ranges() have in common.

// Sets libcurl up, once for the process. Http does it, too.
void start_curl();

struct FreeHeaders {
  void operator()(curl_slist* list) const;
};
using Headers = std::unique_ptr<curl_slist, FreeHeaders>;

// Sets a handle up for one request: address, certificates, time limits, no surprises. The headers must outlive it.
Headers prepare(CURL* handle, const Settings& settings, const std::string& url, bool with_token, int stall_timeout_s);
// Takes in a line of a header, as libcurl gives it: a status line begins the answer anew.
void take_header_line(std::string_view line, std::map<std::string, std::string>& headers);
// Whether a server that answers so may do better the next time.
bool is_passing(long status);
// Seconds to wait before try number `attempt` (from 1), or what the server asks for where that is longer.
double pause_before(int attempt, double asked_for);
// Says why there is a pause of so many seconds, where it is a long one.
void tell_pause(const Note& note, const std::string& why, double seconds);
// What the server asks for, in seconds: libcurl's `retry_after`, or the "t=" of a RateLimit header with nothing left.
double pause_asked_for(double retry_after, std::string_view rate_limit);
// Whether two addresses have scheme, host and port in common.
bool same_origin(const std::string& a, const std::string& b);
// An address to follow: http or https, and never from https to http.
bool may_follow(const std::string& from, const std::string& to);
// What libcurl says went wrong, as kIo with a way to mend it. `where` is the address.
Error connection_error(int curl_code, const char* details, const std::string& where);

}  // namespace rerank::hub
