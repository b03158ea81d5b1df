// LLM rerankers of a few kilobytes with seeded random weights, one of each architecture, to be broken by tests at will.
//
// Tensor names and configuration keys are those of the published checkpoints. The numbers in the configurations are
// chosen so that a loader that skips one of them computes something else: head widths that are not hidden / heads,
// windows and scaling that matter within a few dozen tokens, odd numbers of heads. The wide ones have layers that int4
// can hold, whole groups of 128 inputs, and a vocabulary that int8 can hold, and are otherwise alike.
#pragma once

#include <fmt/format.h>

#include <string>

#include "support/tiny_model.h"
#include "support/tiny_tokenizer.h"

namespace rerank::testing {

struct TinyCausal : TinyModel {
  // yes-logit: BAAI/bge-reranker-v2-gemma. Tied: the key is absent, as in the real one.
  static TinyCausal gemma() {
    return gemma_of({.hidden = 32, .layers = 3, .heads = 3, .kv_heads = 1, .head_dim = 24, .ffn = 40});
  }
  static TinyCausal wide_gemma() {
    return gemma_of(
        {.hidden = 128, .layers = 3, .heads = 3, .kv_heads = 1, .head_dim = 24, .ffn = 128, .spare_rows = 2});
  }

  // layerwise: BAAI/bge-reranker-v2-minicpm-layerwise. Heads for the layers 2, 3 and 4.
  static TinyCausal minicpm() {
    return minicpm_of({.hidden = 48, .layers = 4, .heads = 3, .kv_heads = 3, .head_dim = 16, .ffn = 56});
  }
  static TinyCausal wide_minicpm() {
    return minicpm_of({.hidden = 128, .layers = 4, .heads = 4, .kv_heads = 4, .head_dim = 32, .ffn = 128});
  }

  // lightweight: BAAI/bge-reranker-v2.5-gemma2-lightweight. Heads for the layers 2, 3 and 4.
  static TinyCausal gemma2() {
    return gemma2_of({.hidden = 32, .layers = 4, .heads = 6, .kv_heads = 2, .head_dim = 16, .ffn = 40});
  }
  static TinyCausal wide_gemma2() {
    return gemma2_of({.hidden = 128, .layers = 4, .heads = 6, .kv_heads = 2, .head_dim = 16, .ffn = 128});
  }

  // expectation and reasoning: lightblue/lb-reranker-0.5B-v1.0 and jhu-clsp/rank1-0.5b are tied, rank1-7b is not. The
  // vocabulary has rows that no token has.
  static TinyCausal qwen2(bool tied) {
    return qwen2_of(tied,
                    {.hidden = 48, .layers = 3, .heads = 3, .kv_heads = 1, .head_dim = 16, .ffn = 56, .spare_rows = 7});
  }
  static TinyCausal wide_qwen2(bool tied) {
    return qwen2_of(
        tied, {.hidden = 128, .layers = 3, .heads = 2, .kv_heads = 1, .head_dim = 64, .ffn = 256, .spare_rows = 9});
  }

  // reasoning: jhu-clsp/rank1-llama3-8b. Some of its frequencies are kept, some mixed, some divided by 8.
  static TinyCausal llama() {
    TinyCausal c(TinyTokenizer::llama3(),
                 {.hidden = 40, .layers = 3, .heads = 3, .kv_heads = 1, .head_dim = 24, .ffn = 48});
    c.config["architectures"] = R"(["LlamaForCausalLM"])";
    c.config["model_type"] = R"("llama")";
    c.config["_name_or_path"] = R"("jhu-clsp/rank1-llama3-8b")";
    c.config["head_dim"] = "24";
    c.config["hidden_act"] = R"("silu")";
    c.config["mlp_bias"] = "false";
    c.config["rms_norm_eps"] = "1e-05";
    c.config["rope_theta"] = "500000.0";
    c.config["rope_scaling"] =
        R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64})";
    c.config["tie_word_embeddings"] = "false";
    c.set_tokens("<|begin_of_text|>", "<|end_of_text|>", "");
    c.add_decoder({.tied = false});
    return c;
  }

  // reasoning: jhu-clsp/rank1-mistral-2501-24b, whose heads together are narrower than the hidden state.
  static TinyCausal mistral() {
    TinyCausal c(TinyTokenizer::mistral(),
                 {.hidden = 48, .layers = 3, .heads = 2, .kv_heads = 1, .head_dim = 16, .ffn = 40});
    c.config["architectures"] = R"(["MistralForCausalLM"])";
    c.config["model_type"] = R"("mistral")";
    c.config["_name_or_path"] = R"("jhu-clsp/rank1-mistral-2501-24b")";
    c.config["head_dim"] = "16";
    c.config["hidden_act"] = R"("silu")";
    c.config["rms_norm_eps"] = "1e-05";
    c.config["rope_theta"] = "100000000.0";
    c.config["sliding_window"] = "null";
    c.config["tie_word_embeddings"] = "false";
    c.set_tokens("<s>", "</s>", "");
    c.add_decoder({.tied = false});
    return c;
  }

 private:
  struct Sizes {
    std::size_t hidden, layers, heads, kv_heads, head_dim, ffn;
    std::size_t spare_rows = 0;  // of the vocabulary, beyond the tokenizer's
  };
  struct Decoder {
    float norm_offset = 1;  // 0 for Gemma, which adds the 1 itself
    bool norms_around_ffn = false;
    bool query_key_value_bias = false;
    bool tied = true;  // no head over the vocabulary in the file
  };

  static TinyCausal gemma_of(const Sizes& sizes) {
    TinyCausal c(TinyTokenizer::gemma(), sizes);
    c.config["architectures"] = R"(["GemmaForCausalLM"])";
    c.config["model_type"] = R"("gemma")";
    c.config["head_dim"] = "24";
    c.config["hidden_act"] = R"("gelu")";
    c.config["rms_norm_eps"] = "1e-06";
    c.config["rope_theta"] = "10000.0";
    c.set_tokens("<bos>", "<eos>", "<pad>");
    c.add_decoder({.norm_offset = 0});
    return c;
  }

  static TinyCausal minicpm_of(const Sizes& sizes) {
    TinyCausal c(TinyTokenizer::minicpm(), sizes);
    c.config["architectures"] = R"(["LayerWiseMiniCPMForCausalLM"])";
    c.config["model_type"] = R"("minicpm")";
    c.config["hidden_act"] = R"("silu")";
    c.config["rms_norm_eps"] = "1e-05";
    c.config["rope_theta"] = "10000.0";
    c.config["rope_scaling"] = "null";
    c.config["scale_emb"] = "12";
    c.config["scale_depth"] = "1.4";
    c.config["dim_model_base"] = "16";
    c.config["head_multi"] = "true";
    c.config["head_type"] = R"("simple")";
    c.config["start_layer"] = "2";
    c.set_tokens("<s>", "</s>", "");
    c.tokenizer_config["pad_token"] = R"("<unk>")";
    c.add_decoder({});
    c.add_layer_heads(2);
    return c;
  }

  static TinyCausal gemma2_of(const Sizes& sizes) {
    TinyCausal c(TinyTokenizer::gemma(), sizes);
    c.config["architectures"] = R"(["CostWiseGemmaForCausalLM"])";
    c.config["model_type"] = R"("cost_wise_gemma")";
    c.config["head_dim"] = "16";
    c.config["hidden_act"] = R"("gelu_pytorch_tanh")";
    c.config["hidden_activation"] = R"("gelu_pytorch_tanh")";
    c.config["rms_norm_eps"] = "1e-06";
    c.config["rope_theta"] = "10000.0";
    c.config["query_pre_attn_scalar"] = "11";
    c.config["attn_logit_softcapping"] = "5.0";
    c.config["final_logit_softcapping"] = "3.0";
    c.config["sliding_window"] = "12";
    c.config["sliding_window_size"] = "12";
    c.config["cache_implementation"] = R"("hybrid")";
    c.config["layer_wise"] = "true";
    c.config["layer_sep"] = "1";
    c.config["start_layer"] = "2";
    c.set_tokens("<bos>", "<eos>", "<pad>");
    c.add_decoder({.norm_offset = 0, .norms_around_ffn = true});
    c.add_layer_heads(2);
    return c;
  }

  static TinyCausal qwen2_of(bool tied, const Sizes& sizes) {
    TinyCausal c(TinyTokenizer::qwen2(), sizes);
    c.config["architectures"] = R"(["Qwen2ForCausalLM"])";
    c.config["model_type"] = R"("qwen2")";
    c.config["_name_or_path"] = tied ? R"("lightblue/lb-reranker-0.5B-v1.0")" : R"("jhu-clsp/rank1-7b")";
    c.config["hidden_act"] = R"("silu")";
    c.config["rms_norm_eps"] = "1e-06";
    c.config["rope_theta"] = "1000000.0";
    c.config["rope_scaling"] = "null";
    c.config["sliding_window"] = "null";
    c.config["use_sliding_window"] = "false";
    c.config["max_window_layers"] = "3";
    c.config["tie_word_embeddings"] = tied ? "true" : "false";
    c.set_tokens("<|endoftext|>", "<|im_end|>", "");
    c.tokenizer_config["bos_token"] = "null";
    c.tokenizer_config["pad_token"] = R"("<|endoftext|>")";
    // Marks each message with its role, and adds a system message of its own where there is none.
    c.tokenizer_config["chat_template"] =
        R"("{%- if messages[0]['role'] != 'system' %}\n    {{- '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}\n{%- endif %}\n{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n")";
    c.add_decoder({.query_key_value_bias = true, .tied = tied});
    return c;
  }

  TinyCausal(const TinyTokenizer& tokenizer, const Sizes& sizes) : tokenizer_(tokenizer), sizes_(sizes) {
    tokenizer_json = tokenizer.json();
    const auto number = [](std::size_t value) { return fmt::format("{}", value); };
    config = {{"hidden_size", number(sizes.hidden)},
              {"num_hidden_layers", number(sizes.layers)},
              {"num_attention_heads", number(sizes.heads)},
              {"num_key_value_heads", number(sizes.kv_heads)},
              {"intermediate_size", number(sizes.ffn)},
              {"vocab_size", number(tokenizer.size() + sizes.spare_rows)},
              {"max_position_embeddings", "2048"},
              {"attention_bias", "false"},
              {"attention_dropout", "0.0"},
              {"initializer_range", "0.02"},
              {"torch_dtype", R"("float32")"},
              {"use_cache", "true"}};
  }

  // Control tokens, as configuration and tokenizer_config.json name them; no padding token where it is empty.
  void set_tokens(const std::string& bos, const std::string& eos, const std::string& pad) {
    config["bos_token_id"] = tokenizer_.id(bos);
    config["eos_token_id"] = tokenizer_.id(eos);
    tokenizer_config = {{"bos_token", fmt::format("\"{}\"", bos)},
                        {"eos_token", fmt::format("\"{}\"", eos)},
                        {"tokenizer_class", R"("PreTrainedTokenizerFast")"}};
    if (pad.empty()) return;
    config["pad_token_id"] = tokenizer_.id(pad);
    tokenizer_config["pad_token"] = fmt::format("\"{}\"", pad);
  }

  void add_decoder(const Decoder& decoder) {
    const Sizes& s = sizes_;
    const std::size_t rows = tokenizer_.size() + s.spare_rows;
    const auto add_norm = [&](const std::string& name) {
      add(name + ".weight", {s.hidden}, 0.1f, decoder.norm_offset);
    };
    add("model.embed_tokens.weight", {rows, s.hidden}, 0.5f);
    for (std::size_t layer = 0; layer < s.layers; ++layer) {
      const std::string at = fmt::format("model.layers.{}.", layer);
      add_norm(at + "input_layernorm");
      add_linear(at + "self_attn.q_proj", s.heads * s.head_dim, s.hidden, decoder.query_key_value_bias);
      add_linear(at + "self_attn.k_proj", s.kv_heads * s.head_dim, s.hidden, decoder.query_key_value_bias);
      add_linear(at + "self_attn.v_proj", s.kv_heads * s.head_dim, s.hidden, decoder.query_key_value_bias);
      add_linear(at + "self_attn.o_proj", s.hidden, s.heads * s.head_dim, false);
      add_norm(at + "post_attention_layernorm");
      if (decoder.norms_around_ffn) {
        add_norm(at + "pre_feedforward_layernorm");
        add_norm(at + "post_feedforward_layernorm");
      }
      add_linear(at + "mlp.gate_proj", s.ffn, s.hidden, false);
      add_linear(at + "mlp.up_proj", s.ffn, s.hidden, false);
      add_linear(at + "mlp.down_proj", s.hidden, s.ffn, false);
    }
    add_norm("model.norm");
    if (!decoder.tied) add_linear("lm_head", rows, s.hidden, false);
  }

  // One head for each layer from `first` (counted from 1) to the last.
  void add_layer_heads(std::size_t first) {
    for (std::size_t head = 0; head <= sizes_.layers - first; ++head)
      add_linear(fmt::format("lm_head.{}.linear_head", head), 1, sizes_.hidden, false);
  }

  TinyTokenizer tokenizer_;
  Sizes sizes_;
};

}  // namespace rerank::testing
