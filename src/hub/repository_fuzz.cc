// Any bytes as a hub's answer give a repository or an Error. Whatever a stranger names, only plain file names of safe
// characters come out, each once; the shards of an index are such names, too.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "hub/names.h"
#include "hub/repository.h"
#include "hub/wanted_files.h"

namespace hub = rerank::hub;

namespace {

void expect_plain(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find_first_of(std::string_view("/\\\0 \n", 5)) != name.npos)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto shards = hub::shards_of(text, "index.json"); shards.ok()) {
    if (shards.value().empty()) std::abort();
    for (const std::string& shard : shards.value()) expect_plain(shard);
  }
  const auto repository = hub::parse_repository(text, "fuzz.json");
  if (!repository.ok()) {
    if (repository.error().what.empty() || repository.error().where.rfind("fuzz.json", 0) != 0) std::abort();
    return 0;
  }
  if (!hub::is_commit(repository.value().commit)) std::abort();
  std::set<std::string> names;
  for (const hub::RemoteFile& file : repository.value().files) {
    expect_plain(file.name);
    if (!names.insert(file.name).second || hub::find(repository.value(), file.name) != &file) std::abort();
    if (file.checksum && !hub::is_sha256(file.checksum->digest) && !hub::is_sha1(file.checksum->digest)) std::abort();
  }
  const auto wanted = hub::wanted_files(repository.value(), "o/n");
  if (wanted.ok())
    for (const std::string& name : wanted.value())
      if (names.count(name) == 0) std::abort();
  return 0;
}
