// Runs a fuzz target over the files of its seed corpus, without libFuzzer: each seed is a regression test.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int arg = 1; arg < argc; ++arg)
    for (const auto& entry : std::filesystem::directory_iterator(argv[arg])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++count;
    }
  std::printf("%zu seeds replayed\n", count);
  return count == 0 ? 1 : 0;  // an empty corpus is a mistake in the build file
}
