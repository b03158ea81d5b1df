#include "models/registry.h"

#include <fmt/format.h>

#include "base/try.h"
#include "models/classification_head.h"

namespace rerank::models {
namespace {

struct Architecture {
  std::string_view hf_name;
  Result<std::unique_ptr<SequenceClassifier>> (*load)(const io::Checkpoint&, const kernels::Ops&, int threads);
};
constexpr Architecture kArchitectures[] = {
    {"BertForSequenceClassification", &load_bert},
    {"XLMRobertaForSequenceClassification", &load_xlm_roberta},
};

Result<const Architecture*> find_architecture(const io::Json& config) {
  RERANK_ASSIGN(const io::Json names, config.get("architectures"));
  RERANK_ASSIGN(const auto array, names.array());
  if (array.size() != 1)
    return names.error(Error::Code::kUnsupported, fmt::format("lists {} names, expected one", array.size()));
  RERANK_ASSIGN(const std::string_view name, names.item(array.at(0), 0).string());
  std::string supported;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.hf_name == name) return &architecture;
    supported += fmt::format("{}{}", supported.empty() ? "" : ", ", architecture.hf_name);
  }
  return names.error(Error::Code::kUnsupported, fmt::format("\"{}\" is not an architecture that runs here", name),
                     fmt::format("supported are {}", supported));
}

// Buffers that old versions of transformers saved with the weights: 0, 1, 2 ... for each position.
bool is_saved_buffer(std::string_view name) {
  return name.ends_with(".embeddings.position_ids");
}

}  // namespace

Result<LoadedClassifier> load_classifier(const io::Checkpoint& checkpoint, const kernels::Ops& ops, int threads) {
  RERANK_ASSIGN(const Architecture* architecture, find_architecture(checkpoint.config()));
  RERANK_ASSIGN(auto model, architecture->load(checkpoint, ops, threads));
  RERANK_TRY(checkpoint.all_read(is_saved_buffer));
  return LoadedClassifier{std::string(architecture->hf_name), std::move(model)};
}

Status check_length(const RaggedBatch& batch, const Sizes& sizes) {
  const std::size_t longest = batch.longest();
  if (longest <= static_cast<std::size_t>(sizes.max_positions)) return {};
  return Error{Error::Code::kBadInput,
               fmt::format("a pair of {} tokens, but the model has positions for {}", longest, sizes.max_positions), "",
               fmt::format("use --max-length {} or less", sizes.max_positions)};
}

Sizes sizes_of(const Encoder& encoder, const ClassificationHead& head, int max_positions) {
  const EncoderConfig& c = encoder.config();
  Sizes s;
  s.layers = static_cast<int>(c.layers);
  s.hidden = static_cast<int>(c.hidden);
  s.heads = static_cast<int>(c.heads);
  s.ffn = static_cast<int>(c.ffn);
  s.vocabulary = static_cast<int>(c.vocabulary);
  s.max_positions = max_positions;
  const std::size_t layer = 4 * c.hidden * (c.hidden + 1) + 2 * c.hidden * c.ffn + c.ffn + c.hidden + 4 * c.hidden;
  s.parameters = c.layers * layer + (c.vocabulary + c.positions + c.token_types + 2) * c.hidden +
                 c.hidden * (c.hidden + 1) + c.hidden + 1;
  s.packed_bytes = encoder.packed_bytes() + head.packed_bytes();
  return s;
}

}  // namespace rerank::models
