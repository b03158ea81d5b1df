// Quantized layers against the format's definition, read word by word here: alone, as heads, as gates; and what is
// refused.
#include "models/quantized_matrix.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "io/checkpoint.h"
#include "models/load_weights.h"
#include "models/lora_test_adapter.h"
#include "support/shared_data.h"

namespace rerank::models {
namespace {

constexpr const char* kAwqConfig =
    R"({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm",
        "zero_point": true}})";

Result<Quantization> read(const std::string& quantization) {
  const auto document =
      io::JsonDocument::parse(fmt::format(R"({{"quantization_config": {}}})", quantization), "config.json");
  return read_quantization(document.value().root());
}

TEST(AwqConfig, SaysWhatLayersAre) {
  EXPECT_EQ(read("null").value(), Quantization::kNone);
  EXPECT_EQ(read(R"({"quant_method": "awq"})").value(), Quantization::kInt4);
  EXPECT_EQ(read(R"({"quant_method": "rerank-int8", "bits": 8, "group_size": 128, "zero_point": true})").value(),
            Quantization::kInt8);
  EXPECT_EQ(
      read(R"({"quant_method": "awq", "version": "GEMM", "bits": 4, "modules_to_not_convert": ["lm_head"]})").value(),
      Quantization::kInt4);
}

TEST(AwqConfig, SaysWhatTheVocabularyIs) {
  const auto vocabulary_of = [](const char* config) {
    const auto document = io::JsonDocument::parse(config, "config.json");
    return read_vocabulary_quantization(document.value().root());
  };
  EXPECT_EQ(vocabulary_of("{}").value(), Quantization::kNone);
  EXPECT_EQ(vocabulary_of(kAwqConfig).value(), Quantization::kNone);
  EXPECT_EQ(vocabulary_of(R"({"quantization_config": {"quant_method": "awq", "vocabulary": "rerank-int8"}})").value(),
            Quantization::kInt8);
  EXPECT_EQ(vocabulary_of(R"({"quantization_config": {"vocabulary": "awq"}})").error().code, Error::Code::kUnsupported);
  EXPECT_EQ(vocabulary_of(R"({"quantization_config": {"vocabulary": {}}})").error().code, Error::Code::kCorrupt);
}

TEST(AwqConfig, RefusesEverythingElseByName) {
  for (const char* text :
       {R"("quant_method": "gptq", "bits": 4)", R"("quant_method": "bitsandbytes", "load_in_8bit": true)",
        R"("version": "gemv", "quant_method": "awq")", R"("bits": 8, "quant_method": "awq")",
        R"("group_size": 64, "quant_method": "awq")", R"("group_size": -1, "quant_method": "awq")",
        R"("zero_point": false, "quant_method": "awq")", R"("bits": 4, "quant_method": "rerank-int8")",
        R"("group_size": 32, "quant_method": "rerank-int8")"}) {
    const auto refused = read(fmt::format("{{{}}}", text));
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().code, Error::Code::kUnsupported);
    const std::string key = std::string(text).substr(1, std::string(text).find('"', 1) - 1);
    EXPECT_NE(refused.error().message().find(key), std::string::npos) << refused.error().message();
  }
  EXPECT_EQ(read("{}").error().code, Error::Code::kCorrupt);
  EXPECT_EQ(read("4").error().code, Error::Code::kCorrupt);
}

// A checkpoint in memory of layers with random words; scales are F16 as in the published files.
class Layers {
 public:
  void add(const std::string& name, std::size_t out, std::size_t in, std::size_t outputs_in_word = 8) {
    const std::size_t groups = (in + 127) / 128;
    put(name + ".qweight", "I32", {in, out / outputs_in_word}, 4, 0xFFFFFFFF);
    put(name + ".qzeros", "I32", {groups, out / outputs_in_word}, 4, 0xFFFFFFFF);
    put(name + ".scales", "F16", {groups, out}, 2, 0x2FFF);
  }
  io::Checkpoint open() {
    std::string header = "{", data;
    for (const auto& [name, tensor] : tensors_) {
      header += fmt::format(R"({}"{}": {{"dtype": "{}", "shape": [{}], "data_offsets": [{}, {}]}})",
                            header.size() == 1 ? "" : ", ", name, tensor.dtype, fmt::join(tensor.shape, ", "),
                            data.size(), data.size() + tensor.bytes.size());
      data += tensor.bytes;
    }
    header += "}";
    const std::uint64_t size = header.size();
    file_ = std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data;
    auto checkpoint = io::Checkpoint::from_memory(
        {"test", kAwqConfig, {reinterpret_cast<const std::byte*>(file_.data()), file_.size()}, "{}", "{}"});
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.error().message();
    return std::move(checkpoint).value();
  }

 private:
  struct Stored {
    std::string dtype;
    std::vector<std::size_t> shape;
    std::string bytes;
  };
  void put(const std::string& name, const char* dtype, std::vector<std::size_t> shape, std::size_t bytes,
           std::uint32_t mask) {
    Stored& tensor = tensors_[name] = {dtype, std::move(shape), {}};
    for (std::size_t i = 0; i < tensor.shape[0] * tensor.shape[1]; ++i) {
      const std::uint32_t value = random_() & mask;
      tensor.bytes.append(reinterpret_cast<const char*>(&value), bytes);
    }
  }

  std::mt19937 random_{17};
  std::map<std::string, Stored> tensors_;
  std::string file_;
};

// [out][in], as awq_reference.py has it.
std::vector<std::vector<float>> dequantized(const io::Checkpoint& checkpoint, const std::string& name, std::size_t out,
                                            std::size_t in) {
  constexpr std::size_t kOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
  const io::WeightScope linear = checkpoint.weights().scope(name);
  const auto unpacked = [&](const char* which, std::size_t rows) {
    const io::Tensor tensor = linear.tensor(which, {rows, out / 8}, io::Dtype::kI32).value();
    std::vector<std::vector<int>> values(rows, std::vector<int>(out));
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t word = 0; word < out / 8; ++word)
        for (std::size_t field = 0; field < 8; ++field) {
          std::uint32_t bits;
          std::memcpy(&bits, tensor.bytes.data() + (r * (out / 8) + word) * 4, 4);
          values[r][word * 8 + kOrder[field]] = static_cast<int>(bits >> (4 * field) & 15);
        }
    return values;
  };
  const auto q = unpacked("qweight", in), z = unpacked("qzeros", in / 128);
  const std::vector<float> scales = to_f32(linear.tensor("scales", {in / 128, out}).value());
  std::vector<std::vector<float>> weights(out, std::vector<float>(in));
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      weights[o][i] = static_cast<float>(q[i][o] - z[i / 128][o]) * scales[i / 128 * out + o];
  return weights;
}

std::vector<float> row_of(const kernels::PackedWeight& packed, std::size_t row, std::size_t in) {
  std::vector<float> values(in);
  packed.unpack_row(row, values);
  return values;
}

constexpr LoadOptions kOptions{kernels::Element::kBf16, 2, nullptr, Quantization::kInt4};

TEST(Awq, LinearLayersAreWhatTheFormatSays) {
  Layers layers;
  layers.add("one", 40, 256);
  const io::Checkpoint checkpoint = layers.open();
  const auto packed = load_linear(checkpoint.weights(), "one", 40, 256, Bias::kNone, kOptions);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  EXPECT_EQ(packed.value().format(), kernels::WeightFormat::kInt4);
  const auto expected = dequantized(checkpoint, "one", 40, 256);
  for (std::size_t o = 0; o < 40; ++o) EXPECT_EQ(row_of(packed.value(), o, 256), expected[o]) << o;
  // A head of one row is packed from one row.
  const QuantizedMatrix matrix =
      QuantizedMatrix::open(checkpoint.weights().scope("one"), Quantization::kInt4, 40, 256).value();
  for (std::size_t o = 0; o < 40; ++o) {
    const auto only = [&](std::size_t) { return QuantizedRow{&matrix, o}; };
    EXPECT_EQ(row_of(pack_quantized(Quantization::kInt4, 1, 256, only, {}, 1, false).value(), 0, 256), expected[o])
        << o;
  }
}

// Our own format: bytes in plain order, and a last group of what is left.
TEST(Int8, LinearLayersAreWhatTheFormatSays) {
  constexpr LoadOptions kInt8{kernels::Element::kF32, 2, nullptr, Quantization::kInt8};
  for (const std::size_t in : {std::size_t{256}, std::size_t{300}, std::size_t{24}}) {
    constexpr std::size_t kOut = 36;
    const std::size_t groups = (in + 127) / 128;
    Layers layers;
    layers.add("one", kOut, in, 4);
    const io::Checkpoint checkpoint = layers.open();
    const auto packed = load_linear(checkpoint.weights(), "one", kOut, in, Bias::kNone, kInt8);
    ASSERT_TRUE(packed.ok()) << packed.error().message();
    EXPECT_EQ(packed.value().format(), kernels::WeightFormat::kInt8);
    const io::WeightScope linear = checkpoint.weights().scope("one");
    const auto q = linear.tensor("qweight", {in, kOut / 4}, io::Dtype::kI32).value();
    const auto z = linear.tensor("qzeros", {groups, kOut / 4}, io::Dtype::kI32).value();
    const std::vector<float> scales = to_f32(linear.tensor("scales", {groups, kOut}).value());
    for (std::size_t o = 0; o < kOut; ++o) {
      const std::vector<float> row = row_of(packed.value(), o, in);
      for (std::size_t i = 0; i < in; ++i) {
        const int integer = static_cast<int>(q.bytes[i * kOut + o]),
                  zero = static_cast<int>(z.bytes[i / 128 * kOut + o]);
        ASSERT_EQ(row[i], static_cast<float>(integer - zero) * scales[i / 128 * kOut + o]) << o << ", " << i;
      }
    }
  }
}

TEST(Awq, ProjectionsArePaddedHeads) {
  const HeadLayout query{2, 40, 64, true}, value{1, 40, 64, false};
  Layers layers;
  layers.add("q", 80, 128);
  layers.add("v", 40, 128);
  const io::Checkpoint checkpoint = layers.open();
  const auto packed = load_projections(checkpoint.weights(), {{"q", query}, {"v", value}}, 128, Bias::kNone, kOptions);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  const auto q = dequantized(checkpoint, "q", 80, 128), v = dequantized(checkpoint, "v", 40, 128);
  const std::vector<float> zeros(128);
  for (std::size_t r = 0; r < 128; ++r) {
    const auto source = query.source(r % 64);
    EXPECT_EQ(row_of(packed.value(), r, 128), source ? q[r / 64 * 40 + *source] : zeros) << r;
  }
  for (std::size_t r = 0; r < 64; ++r) EXPECT_EQ(row_of(packed.value(), 128 + r, 128), r < 40 ? v[r] : zeros) << r;
}

TEST(Awq, GatesAndTheirValuesTakeTurns) {
  constexpr std::size_t kFfn = 40;
  Layers layers;
  layers.add("gate", kFfn, 128);
  layers.add("up", kFfn, 128);
  const io::Checkpoint checkpoint = layers.open();
  const auto packed = load_gate_up(checkpoint.weights(), "gate", "up", kFfn, 128, kOptions);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  const auto gate = dequantized(checkpoint, "gate", kFfn, 128), up = dequantized(checkpoint, "up", kFfn, 128);
  const std::vector<float> zeros(128);
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t row = i / 16 * 32 + i % 16;
    EXPECT_EQ(row_of(packed.value(), row, 128), i < kFfn ? gate[i] : zeros) << i;
    EXPECT_EQ(row_of(packed.value(), row + 16, 128), i < kFfn ? up[i] : zeros) << i;
  }
}

TEST(Awq, RefusesWhatItCannotPack) {
  Layers layers;
  layers.add("one", 32, 256);
  layers.add(rerank::testing::kModule, 32, 128);
  const io::Checkpoint checkpoint = layers.open();
  const io::WeightScope weights = checkpoint.weights();
  const auto refusal = [](const Result<kernels::PackedWeight>& loaded) {
    EXPECT_FALSE(loaded.ok());
    return loaded.ok() ? Error{} : loaded.error();
  };
  const Error shape = refusal(load_linear(weights, "one", 32, 128, Bias::kNone, kOptions));
  EXPECT_EQ(shape.code, Error::Code::kCorrupt);
  EXPECT_NE(shape.where.find("one.qweight"), std::string::npos) << shape.message();
  EXPECT_EQ(refusal(load_linear(weights, "one", 32, 100, Bias::kNone, kOptions)).code, Error::Code::kUnsupported);
  // A head's padding would lie between inputs of one group.
  const HeadLayout padded{4, 64, 96, false}, whole{4, 64, 64, false};
  EXPECT_EQ(refusal(load_head_output(weights, "one", 32, padded, Bias::kNone, kOptions)).code,
            Error::Code::kUnsupported);
  EXPECT_TRUE(load_head_output(weights, "one", 32, whole, Bias::kNone, kOptions).ok());
  const auto adapter = rerank::testing::Adapter::plain().open();
  ASSERT_TRUE(adapter.ok());
  LoadOptions merged = kOptions;
  merged.adapter = &adapter.value();
  const Error touched = refusal(load_linear(weights, rerank::testing::kModule, 32, 128, Bias::kNone, merged));
  EXPECT_EQ(touched.code, Error::Code::kUnsupported);
  EXPECT_NE(touched.what.find("adapter"), std::string::npos) << touched.message();
  // Without the configuration's word nobody knows whose integers these are.
  LoadOptions unknown = kOptions;
  unknown.quantization = Quantization::kNone;
  EXPECT_EQ(refusal(load_linear(weights, "one", 32, 256, Bias::kNone, unknown)).code, Error::Code::kNotFound);
}

TEST(Awq, PublishedLayoutIsRead) {
  RERANK_NEED_SHARED("golden/rank1-7b-awq");
  const auto opened = io::Checkpoint::open(rerank::testing::shared_dir() / "golden/rank1-7b-awq");
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const io::Checkpoint& checkpoint = opened.value();
  ASSERT_EQ(read_quantization(checkpoint.config()).value(), Quantization::kInt4);
  const io::WeightScope layer = checkpoint.weights().scope("model.layers.1");
  const auto down = load_linear(layer.scope("mlp"), "down_proj", 128, 256, Bias::kNone, kOptions);
  ASSERT_TRUE(down.ok()) << down.error().message();
  const auto expected = dequantized(checkpoint, "model.layers.1.mlp.down_proj", 128, 256);
  for (std::size_t o = 0; o < 128; ++o) ASSERT_EQ(row_of(down.value(), o, 256), expected[o]) << o;
  const auto key =
      load_projections(layer.scope("self_attn"), {{"k_proj", {2, 32, 32, true}}}, 128, Bias::kRequired, kOptions);
  ASSERT_TRUE(key.ok()) << key.error().message();
  const auto keys = dequantized(checkpoint, "model.layers.1.self_attn.k_proj", 64, 128);
  for (std::size_t o = 0; o < 64; ++o) ASSERT_EQ(row_of(key.value(), o, 128), keys[o]) << o;
}

}  // namespace
}  // namespace rerank::models
