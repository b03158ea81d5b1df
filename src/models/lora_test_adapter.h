// For tests: a PEFT LoRA adapter with seeded random matrices, to be broken at will, and what merging it should give.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "io/test_files.h"
#include "models/lora.h"
#include "support/tiny_model.h"

namespace rerank::testing {

inline constexpr std::size_t kOut = 6, kIn = 700, kRank = 3;  // more columns than one stretch of add_to_row
inline constexpr const char* kModule = "model.layers.3.self_attn.q_proj";
inline constexpr const char* kWeight = "model.layers.3.self_attn.q_proj.weight";
inline const std::string kPrefix = "base_model.model.";

// adapter_config.json as PEFT 0.14 writes it, with all of its keys.
inline std::map<std::string, std::string> plain_config() {
  return {{"peft_type", R"("LORA")"},
          {"task_type", R"("CAUSAL_LM")"},
          {"base_model_name_or_path", R"("example/base")"},
          {"r", "3"},
          {"lora_alpha", "12"},
          {"lora_dropout", "0.05"},
          {"bias", R"("none")"},
          {"target_modules", R"(["q_proj", "v_proj"])"},
          {"modules_to_save", "null"},
          {"auto_mapping", "null"},
          {"revision", "null"},
          {"inference_mode", "true"},
          {"fan_in_fan_out", "false"},
          {"use_rslora", "false"},
          {"use_dora", "false"},
          {"lora_bias", "false"},
          {"init_lora_weights", "true"},
          {"layer_replication", "null"},
          {"layers_pattern", "null"},
          {"layers_to_transform", "null"},
          {"loftq_config", "{}"},
          {"eva_config", "null"},
          {"exclude_modules", "null"},
          {"megatron_config", "null"},
          {"megatron_core", R"("megatron.core")"},
          {"rank_pattern", "{}"},
          {"alpha_pattern", "{}"}};
}

struct Adapter : TinyModel {
  Adapter() { config = plain_config(); }

  void add_low_rank(const std::string& module, std::size_t out, std::size_t in, std::size_t rank) {
    add(kPrefix + module + ".lora_A.weight", {rank, in}, 0.5f);
    add(kPrefix + module + ".lora_B.weight", {out, rank}, 0.5f);
  }
  static Adapter plain() {
    Adapter adapter;
    adapter.add_low_rank(kModule, kOut, kIn, kRank);
    return adapter;
  }

  Result<models::LoraAdapter> open() const {
    TempFolder folder;
    folder.write("adapter_config.json", config_json());
    folder.write("adapter_model.safetensors", safetensors());
    return models::LoraAdapter::open(folder.path());
  }
  Error error() const {
    const auto opened = open();
    if (opened.ok()) {
      ADD_FAILURE() << "the adapter was taken";
      return {};
    }
    return opened.error();
  }

  // base + scale * B A of a linear layer, in double precision.
  std::vector<double> merged(const std::string& module, const std::vector<float>& base, double scale) const {
    const Tensor& a = tensors.at(kPrefix + module + ".lora_A.weight");
    const Tensor& b = tensors.at(kPrefix + module + ".lora_B.weight");
    const std::size_t out = b.shape[0], in = a.shape[1], rank = a.shape[0];
    std::vector<double> result(base.begin(), base.end());
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in; ++i)
        for (std::size_t k = 0; k < rank; ++k)
          result[o * in + i] += scale * double{b.values[o * rank + k]} * double{a.values[k * in + i]};
    return result;
  }
};

}  // namespace rerank::testing
