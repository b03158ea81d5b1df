// A Hugging Face folder of a few kilobytes with seeded random weights: BERT or XLM-RoBERTa, to be broken by tests at
// will.
#pragma once

#include <fmt/format.h>

#include <string>

#include "support/tiny_model.h"

namespace rerank::testing {

struct TinyCheckpoint : TinyModel {
  static TinyCheckpoint bert() { return bert_of(24, 40, 3); }
  // With layers that int4 can hold: whole groups of 128 inputs.
  static TinyCheckpoint wide_bert() { return bert_of(128, 256, 4); }

  static TinyCheckpoint xlm_roberta() {
    TinyCheckpoint c = bert();
    c.config["architectures"] = R"(["XLMRobertaForSequenceClassification"])";
    c.config["max_position_embeddings"] = "66";
    c.config["type_vocab_size"] = "1";
    c.config["layer_norm_eps"] = "1e-5";
    c.config["pad_token_id"] = "1";
    c.tensors.clear();
    c.add_encoder("roberta", 66, 1);
    c.add_linear("classifier.dense", 24, 24);
    c.add_linear("classifier.out_proj", 1, 24);
    c.tokenizer_json = word_tokenizer("[CLS]", "[SEP]", 0);
    return c;
  }

 private:
  static TinyCheckpoint bert_of(std::size_t hidden, std::size_t ffn, int heads) {
    TinyCheckpoint c;
    c.hidden_ = hidden;
    c.ffn_ = ffn;
    c.config = {{"architectures", R"(["BertForSequenceClassification"])"},
                {"hidden_size", fmt::format("{}", hidden)},
                {"num_hidden_layers", "2"},
                {"num_attention_heads", fmt::format("{}", heads)},
                {"intermediate_size", fmt::format("{}", ffn)},
                {"vocab_size", "40"},
                {"max_position_embeddings", "64"},
                {"type_vocab_size", "2"},
                {"layer_norm_eps", "1e-12"},
                {"hidden_act", R"("gelu")"},
                {"pad_token_id", "0"},
                {"id2label", R"({"0": "LABEL_0"})"}};
    c.add_encoder("bert", 64, 2);
    c.add_linear("bert.pooler.dense", hidden, hidden);
    c.add_linear("classifier", 1, hidden);
    c.tokenizer_json = word_tokenizer("[CLS]", "[SEP]", 1);
    return c;
  }

  void add_norm(const std::string& name) {
    add(name + ".weight", {hidden_}, 0.1f, 1);
    add(name + ".bias", {hidden_}, 0.1f);
  }
  void add_encoder(const std::string& prefix, std::size_t positions, std::size_t types) {
    add(prefix + ".embeddings.word_embeddings.weight", {40, hidden_}, 1);
    add(prefix + ".embeddings.position_embeddings.weight", {positions, hidden_}, 0.3f);
    add(prefix + ".embeddings.token_type_embeddings.weight", {types, hidden_}, 0.3f);
    add_norm(prefix + ".embeddings.LayerNorm");
    for (int layer = 0; layer < 2; ++layer) {
      const std::string at = fmt::format("{}.encoder.layer.{}.", prefix, layer);
      for (const char* name : {"query", "key", "value"}) add_linear(at + "attention.self." + name, hidden_, hidden_);
      add_linear(at + "attention.output.dense", hidden_, hidden_);
      add_norm(at + "attention.output.LayerNorm");
      add_linear(at + "intermediate.dense", ffn_, hidden_);
      add_linear(at + "output.dense", hidden_, ffn_);
      add_norm(at + "output.LayerNorm");
    }
  }

  // One token a letter of the alphabet, so that lengths are easy to count.
  static std::string word_tokenizer(const std::string& first, const std::string& separator, int second_type) {
    std::string vocab = fmt::format(R"("[PAD]": 0, "[UNK]": 1, "{}": 2, "{}": 3)", first, separator);
    for (char letter = 'a'; letter <= 'z'; ++letter) vocab += fmt::format(R"(, "{}": {})", letter, 4 + letter - 'a');
    return fmt::format(
        R"({{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
  "pre_tokenizer": {{"type": "BertPreTokenizer"}},
  "post_processor": {{"type": "TemplateProcessing",
    "single": [{{"SpecialToken": {{"id": "{0}", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}},
               {{"SpecialToken": {{"id": "{1}", "type_id": 0}}}}],
    "pair": [{{"SpecialToken": {{"id": "{0}", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}},
             {{"SpecialToken": {{"id": "{1}", "type_id": 0}}}}, {{"Sequence": {{"id": "B", "type_id": {2}}}}},
             {{"SpecialToken": {{"id": "{1}", "type_id": {2}}}}}],
    "special_tokens": {{"{0}": {{"id": "{0}", "ids": [2], "tokens": ["{0}"]}},
                        "{1}": {{"id": "{1}", "ids": [3], "tokens": ["{1}"]}}}}}},
  "decoder": null,
  "model": {{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 100, "vocab": {{{3}}}}}}})",
        first, separator, second_type, vocab);
  }

  std::size_t hidden_ = 24, ffn_ = 40;
};

}  // namespace rerank::testing
