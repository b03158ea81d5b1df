#include "hub/settings.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <initializer_list>
#include <iterator>

#include "base/environment.h"

namespace rerank::hub {
namespace {

namespace fs = std::filesystem;

// The first of the variables that is set.
std::string variable(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (std::string value = environment(name); !value.empty()) return value;
  return {};
}

// What a variable names as a path: "~" at its beginning is the home folder.
fs::path path_variable(std::initializer_list<const char*> names) {
  const std::string value = variable(names);
  if (value == "~" || value.starts_with("~/")) return fs::path(variable({"HOME"}) + value.substr(1));
  return value;
}

bool is_true(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : static_cast<char>(c);
  });
  return word == "1" || word == "ON" || word == "YES" || word == "TRUE";
}

int seconds_or(const char* name, int fallback) {
  const std::string text = variable({name});
  int seconds = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool sane = failed == std::errc() && end == text.data() + text.size() && seconds > 0 && seconds <= 86400;
  return sane ? seconds : fallback;
}

fs::path home_of_hub() {
  if (const fs::path home = path_variable({"HF_HOME"}); !home.empty()) return home;
  if (const fs::path cache = path_variable({"XDG_CACHE_HOME"}); !cache.empty()) return cache / "huggingface";
  return fs::path(variable({"HOME"})) / ".cache" / "huggingface";
}

// Without the white space around it; empty when it has any inside, which would end a header early.
std::string clean_token(std::string text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && is_blank(text.back())) text.pop_back();
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_blank));
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return printable ? text : std::string();
}

std::string token() {
  if (is_true(variable({"HF_HUB_DISABLE_IMPLICIT_TOKEN"}))) return {};
  if (const std::string given = clean_token(variable({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})); !given.empty())
    return given;
  fs::path file = path_variable({"HF_TOKEN_PATH"});
  if (file.empty()) file = home_of_hub() / "token";
  std::ifstream stream(file, std::ios::binary);
  return clean_token({std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()});
}

}  // namespace

fs::path cache_folder() {
  if (const fs::path folder = path_variable({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}); !folder.empty()) return folder;
  return home_of_hub() / "hub";
}

Settings settings_from_environment() {
  Settings settings;
  if (const std::string endpoint = variable({"HF_ENDPOINT"}); !endpoint.empty()) settings.endpoint = endpoint;
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  settings.token = token();
  settings.cache = cache_folder();
  settings.offline = is_true(variable({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  settings.ca_file = variable({"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"});
  settings.ca_folder = variable({"SSL_CERT_DIR"});
  settings.metadata_timeout_s = seconds_or("HF_HUB_ETAG_TIMEOUT", settings.metadata_timeout_s);
  settings.stall_timeout_s = seconds_or("HF_HUB_DOWNLOAD_TIMEOUT", settings.stall_timeout_s);
  return settings;
}

}  // namespace rerank::hub
