#include "hub/refusal.h"

#include <fmt/format.h>

namespace rerank::hub {
namespace {

constexpr std::size_t kLongestMessage = 200;

// A stranger's text for a terminal: printable ASCII, and not too much of it.
std::string cleaned(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, kLongestMessage))
    if (c >= ' ' && c < '\x7f') clean += c;
  return clean;
}

Error no_access(const Subject& subject, const Settings& settings) {
  const std::string page = fmt::format("{}/{}", settings.endpoint, subject.model);
  if (settings.token.empty())
    return {Error::Code::kIo, "this model is gated: its authors want to know who uses it", subject.model,
            fmt::format("ask for access at {}, then set HF_TOKEN to a token of yours ({}/settings/tokens)", page,
                        settings.endpoint)};
  return {
      Error::Code::kIo, "this model is gated, and your token has no access", subject.model,
      fmt::format("ask for access at {}; a fine-grained token also needs the right to read gated repositories", page)};
}

Error not_known(const Subject& subject, const Settings& settings, bool token_refused) {
  if (token_refused)
    return {Error::Code::kIo, "the hub does not accept your token", subject.model,
            "check HF_TOKEN, or the token that was stored when you logged in"};
  return {Error::Code::kNotFound, fmt::format("{} has no such model, or it is private", settings.endpoint),
          subject.model,
          settings.token.empty() ? "check the name; for a private model set HF_TOKEN"
                                 : "check the name, and whether your token may read this model"};
}

}  // namespace

Error refusal(const Answer& answer, const Subject& subject, const Settings& settings) {
  const std::string_view code = answer.header("x-error-code");
  const std::string message = cleaned(answer.header("x-error-message"));
  if (code == "GatedRepo") return no_access(subject, settings);
  if (code == "RevisionNotFound")
    return {Error::Code::kNotFound, fmt::format("has no revision \"{}\"", subject.revision), subject.model,
            "name a branch, a tag or a commit of it, such as main"};
  if (code == "EntryNotFound" || (answer.status == 404 && !subject.file.empty() && code.empty()))
    return {Error::Code::kNotFound, fmt::format("has no file {}", subject.file), subject.model,
            fmt::format("look at {}/{}/tree/{}", settings.endpoint, subject.model, subject.revision)};
  // A hub does not tell strangers which private models there are: it answers 401 for those, and for what is not there.
  if (code == "RepoNotFound" || answer.status == 401 || answer.status == 404)
    return not_known(subject, settings, message.starts_with("Invalid credentials"));
  if (answer.status == 403)
    return {Error::Code::kIo, fmt::format("the hub refuses access{}{}", message.empty() ? "" : ": ", message),
            subject.model, fmt::format("look at {}/{}", settings.endpoint, subject.model)};
  if (answer.status == 429)
    return {Error::Code::kIo, "the hub limits how often it may be asked", subject.model,
            settings.token.empty() ? "try again later; with HF_TOKEN the limit is higher" : "try again later"};
  return {Error::Code::kIo,
          fmt::format("the hub answers with {}{}{}", answer.status, message.empty() ? "" : ": ", message), answer.url,
          answer.status >= 500 ? "try again later" : "does the address belong to a Hugging Face hub? See HF_ENDPOINT"};
}

}  // namespace rerank::hub
