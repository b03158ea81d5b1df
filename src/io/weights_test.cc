#include "io/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::safetensors_file;

// Two layers, a head, a position table; the data are the bytes of `values`.
class Weights : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::uint16_t half[4] = {0x3C00, 0x0001, 0xFC00, 0x7E00};   // 1, 2^-24, -infinity, NaN
    const std::uint16_t brain[4] = {0x3F80, 0xC000, 0x0001, 0x7F80};  // 1, -2, a subnormal, infinity
    const float single[4] = {0.5F, -3.25F, 1e-40F, std::numeric_limits<float>::infinity()};
    std::string data(48, '\0');
    std::memcpy(data.data(), half, 8);
    std::memcpy(data.data() + 8, brain, 8);
    std::memcpy(data.data() + 16, single, 16);
    // A name of odd length, so that the data are not aligned.
    file_ = safetensors_file(R"({"bert.layer.0.weight":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},)"
                             R"("bert.layer.1.weight":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]},)"
                             R"("bert.head":{"dtype":"F32","shape":[1,4],"data_offsets":[16,32]},)"
                             R"("bert.position_ids":{"dtype":"I64","shape":[2],"data_offsets":[32,48]}} )",
                             data);
    const auto bytes = std::as_bytes(std::span(file_));
    auto entries = parse_safetensors_header(bytes, bytes.size(), "m.st");
    ASSERT_TRUE(entries.ok()) << entries.error().message();
    ASSERT_TRUE(store_.add("m.st", std::move(entries).value(), bytes, nullptr).ok());
  }

  std::string file_;
  WeightStore store_;
};

TEST_F(Weights, AreWalkedLikeFolders) {
  const WeightScope layer = WeightScope(store_).scope("bert").scope("layer.0");
  EXPECT_EQ(layer.path(), "bert.layer.0");
  EXPECT_TRUE(layer.has("weight"));
  EXPECT_FALSE(layer.has("bias"));
  const auto tensor = layer.tensor("weight", {2, 2});
  ASSERT_TRUE(tensor.ok()) << tensor.error().message();
  EXPECT_EQ(tensor.value().name, "bert.layer.0.weight");
  EXPECT_EQ(tensor.value().dtype, Dtype::kF16);
  EXPECT_EQ(tensor.value().elements(), 4U);
  EXPECT_EQ(tensor.value().where(), "m.st: bert.layer.0.weight");
}

TEST_F(Weights, WidenExactly) {
  const WeightScope bert = WeightScope(store_).scope("bert");
  float out[4];
  convert_to_f32(bert.tensor("layer.0.weight", {2, 2}).value(), 0, out);
  EXPECT_EQ(out[0], 1.0F);
  EXPECT_EQ(out[1], std::ldexp(1.0F, -24));
  EXPECT_EQ(out[2], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(out[3]));
  convert_to_f32(bert.tensor("layer.1.weight", {4}).value(), 1, std::span(out, 3));
  EXPECT_EQ(out[0], -2.0F);
  EXPECT_EQ(out[1], std::ldexp(1.0F, -133));
  EXPECT_EQ(out[2], std::numeric_limits<float>::infinity());
  convert_to_f32(bert.tensor("head", {1, 4}).value(), 1, std::span(out, 2));
  EXPECT_EQ(out[0], -3.25F);
  EXPECT_EQ(out[1], 1e-40F);
}

TEST_F(Weights, RefuseWhatDoesNotFit) {
  const WeightScope root(store_);
  const auto missing = root.tensor("roberta.layer.1.weight", {4});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Error::Code::kNotFound);
  EXPECT_EQ(missing.error().message(),
            "m.st: tensor roberta.layer.1.weight [4] is missing (names that end alike: bert.layer.1.weight)");

  const auto unlike = root.tensor("classifier.bias", {4});
  ASSERT_FALSE(unlike.ok());
  EXPECT_EQ(unlike.error().code, Error::Code::kNotFound);
  EXPECT_EQ(unlike.error().fix, "does config.json belong to these weights?");

  const auto misshapen = root.tensor("bert.head", {4});
  ASSERT_FALSE(misshapen.ok());
  EXPECT_EQ(misshapen.error().code, Error::Code::kCorrupt);
  EXPECT_EQ(misshapen.error().where, "m.st: bert.head");
  EXPECT_EQ(misshapen.error().what, "shape is [1, 4], expected [4]");

  const auto integers = root.tensor("bert.position_ids", {2});
  ASSERT_FALSE(integers.ok());
  EXPECT_EQ(integers.error().code, Error::Code::kUnsupported);
  EXPECT_EQ(integers.error().what, "dtype is I64, expected F32, F16 or BF16");
  EXPECT_TRUE(root.tensor("bert.position_ids", {2}, Dtype::kI64).ok());
  EXPECT_FALSE(root.tensor("bert.position_ids", {2}, Dtype::kI32).ok());
}

TEST_F(Weights, NameTheTensorsThatNobodyAskedFor) {
  const auto is_position_table = [](std::string_view name) { return name.ends_with(".position_ids"); };
  const WeightScope bert = WeightScope(store_).scope("bert");
  ASSERT_TRUE(bert.tensor("layer.0.weight", {2, 2}).ok());
  EXPECT_TRUE(bert.has("layer.1.weight"));                // looking is not reading
  EXPECT_FALSE(bert.tensor("layer.1.weight", {5}).ok());  // neither is a failed attempt
  const Status unread = store_.all_read(is_position_table);
  ASSERT_FALSE(unread.ok());
  EXPECT_EQ(unread.error().code, Error::Code::kUnsupported);
  EXPECT_EQ(unread.error().message(),
            "m.st: this architecture does not use 2 of its tensors: bert.head [1, 4], bert.layer.1.weight [4] "
            "(does config.json belong to these weights?)");
  ASSERT_TRUE(bert.tensor("layer.1.weight", {4}).ok());
  ASSERT_TRUE(bert.tensor("head", {1, 4}).ok());
  EXPECT_TRUE(store_.all_read(is_position_table).ok());
  EXPECT_FALSE(store_.all_read([](std::string_view) { return false; }).ok());
}

TEST_F(Weights, RefuseANameThatASecondFileRepeats) {
  auto entries = parse_safetensors_header(std::as_bytes(std::span(file_)), file_.size(), "n.st");
  const Status added = store_.add("n.st", std::move(entries).value(), std::as_bytes(std::span(file_)), nullptr);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().what, "the tensor stands in m.st as well");
}

}  // namespace
}  // namespace rerank::io
