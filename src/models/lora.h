// A PEFT LoRA adapter: low-rank changes to a model's weights, merged into each row while the weights are loaded.
//
// The reference is PeftModel.from_pretrained(model, folder).merge_and_unload(), which FlagEmbedding calls for its
// `peft_path`. Hu et al. 2021, equation 3; Kalajdzievski 2023 for use_rslora; PEFT, tuners/lora/layer.py.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "rerank/error.h"

namespace rerank::models {

// Three steps: open() it; match() every weight of the model, whether or not the adapter touches it, before its rows are
// merged with add_to_row(); ask all_used() at the end. Move-only. Merging is safe from many threads.
//
// The low-rank matrices are held as f32, whole replacements stay mapped. Only needed while weights are loaded, unless
// the model reads rows of a touched weight later (embeddings).
class LoraAdapter {
 public:
  // Reads adapter_config.json and adapter_model.safetensors in `folder` and checks what can be checked without a model.
  // kNotFound, kCorrupt, kIo; kUnsupported for everything in the configuration that would change the result and is not
  // done here: DoRA, trained biases, initialisations that rewrite the base model, ...
  static Result<LoraAdapter> open(const std::filesystem::path& folder);

  LoraAdapter(LoraAdapter&&) noexcept;
  LoraAdapter& operator=(LoraAdapter&&) noexcept;
  ~LoraAdapter();

  // Does it change the weight `name` ("model.layers.3.self_attn.q_proj.weight", as the checkpoint spells it)?
  bool touches(std::string_view name) const;

  // Does it bring values of its own for the whole weight? In the reference, a head that is tied to such an embedding
  // keeps the values it had.
  bool replaces(std::string_view name) const;

  // Says that the model has the weight `name` with this shape: [out, in], [vocabulary, hidden] for an embedding, or
  // [n] for a norm or a bias. kCorrupt when the adapter holds another shape; success when it does not touch the weight.
  Status match(std::string_view name, std::span<const std::size_t> shape) const;

  // values[i] += scale * sum_k left[row, k] * right[k, i], for `values` [in], a row of the weight as the checkpoint has
  // it; a weight that the adapter replaces is overwritten first. A weight [n] is one row. Nothing happens when the
  // adapter does not touch `name`; else match() has succeeded for it. The sum over k is taken in f32, k ascending.
  void add_to_row(std::string_view name, std::size_t row, std::span<float> values) const;

  // kUnsupported, naming them, when match() was never asked about weights that the adapter changes, unless
  // `may_stay_unused(name)`: the adapter was made for another model.
  Status all_used(const std::function<bool(std::string_view)>& may_stay_unused) const;

 private:
  struct State;
  explicit LoraAdapter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rerank::models
