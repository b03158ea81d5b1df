// Ranks a few passages for one query with the model that is compiled into the library, or with a Hugging Face folder.
//
//   rank_passages [MODEL_FOLDER]
#include <rerank/rerank.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  auto engine = argc > 1 ? rerank::Engine::load(argv[1]) : rerank::Engine::load_embedded();
  if (!engine.ok()) {
    std::fprintf(stderr, "rank_passages: %s\n", engine.error().message().c_str());
    return 2;
  }

  const std::string_view query = "what does a panda eat?";
  const std::string_view passages[] = {
      "Rust is iron oxide that has taken up water.",
      "The giant panda lives almost wholly on bamboo, of which it eats up to 38 kilograms a day.",
      "The red panda is no bear.",
  };
  auto ranking = engine.value().rank(query, passages);
  if (!ranking.ok()) {
    std::fprintf(stderr, "rank_passages: %s\n", ranking.error().message().c_str());
    return 1;
  }
  for (const rerank::RankedPassage& ranked : ranking.value())
    std::printf("%8.4f  %.*s\n", ranked.score.value, static_cast<int>(passages[ranked.index].size()),
                passages[ranked.index].data());
  return 0;
}
