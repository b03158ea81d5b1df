#include "io/safetensors.h"

#include <gtest/gtest.h>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::safetensors_file;

Result<std::vector<TensorEntry>> parse(std::string_view file) {
  return parse_safetensors_header({reinterpret_cast<const std::byte*>(file.data()), file.size()}, file.size(), "m.st");
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"I64","shape":[0,7],"data_offsets":[4,4]}}  )";
  const auto entries = parse(safetensors_file(header, std::string(16, 'x')));
  ASSERT_TRUE(entries.ok()) << entries.error().message();
  ASSERT_EQ(entries.value().size(), 3U);
  const std::size_t data = 8 + header.size();
  EXPECT_EQ(entries.value()[0].name, "a");
  EXPECT_TRUE(entries.value()[0].shape.empty());
  EXPECT_EQ(entries.value()[1].name, "none");
  EXPECT_EQ(entries.value()[2].name, "b");
  EXPECT_EQ(entries.value()[2].dtype, Dtype::kF16);
  EXPECT_EQ(entries.value()[2].shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(entries.value()[2].begin, data + 4);
  EXPECT_EQ(entries.value()[2].end, data + 16);
}

TEST(Safetensors, EveryDtypeHasItsNameAndSize) {
  const std::pair<const char*, std::size_t> known[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                       {"U64", 8}, {"I32", 4}, {"U32", 4}, {"I16", 2},  {"U16", 2},
                                                       {"I8", 1},  {"U8", 1},  {"BOOL", 1}};
  for (const auto& [name, bytes] : known) {
    const std::string header = std::string(R"({"a":{"dtype":")") + name + R"(","shape":[3],"data_offsets":[0,)" +
                               std::to_string(3 * bytes) + "]}}";
    const auto entries = parse(safetensors_file(header, std::string(3 * bytes, 'x')));
    ASSERT_TRUE(entries.ok()) << entries.error().message();
    EXPECT_EQ(name_of(entries.value()[0].dtype), name);
    EXPECT_EQ(bytes_of(entries.value()[0].dtype), bytes);
  }
}

// One tensor "a" with these members, and `data_bytes` of data.
std::string one_tensor(const std::string& members, std::size_t data_bytes) {
  return safetensors_file("{\"a\":{" + members + "}}", std::string(data_bytes, 'x'));
}
std::string length_only(std::uint64_t length) {
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + "{}";
}

struct RefusedCase {
  const char* why;
  std::string file;
  const char* part_of_message;
  Error::Code code = Error::Code::kCorrupt;
};
void PrintTo(const RefusedCase& row, std::ostream* out) {
  *out << row.why;
}
class RefusedSafetensors : public ::testing::TestWithParam<RefusedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedSafetensors,
    ::testing::Values(
        RefusedCase{"empty", "", "has 0 bytes, expected at least 8"},
        RefusedCase{"cut inside the length", "\x01\x02", "has 2 bytes, expected at least 8"},
        RefusedCase{"a header of 2^60 bytes", length_only(1ULL << 60), "claims a header of 1152921504606846976 bytes"},
        RefusedCase{"a header of 2^64 - 1 bytes", length_only(~0ULL), "expected at most 100000000"},
        RefusedCase{"a header longer than the file", length_only(3), "claims a header of 3 bytes, but only 2 follow"},
        RefusedCase{"a header of nothing", length_only(0), "is empty, expected JSON"},
        RefusedCase{"no JSON", safetensors_file("{]", ""), "is not valid JSON"},
        RefusedCase{"an array", safetensors_file("[]", ""), "is an array, expected an object"},
        RefusedCase{"a tensor that is a number", safetensors_file(R"({"a":1})", ""),
                    "a: is an integer, expected an object"},
        RefusedCase{"no dtype", one_tensor(R"("shape":[1],"data_offsets":[0,4])", 4), "a: \"dtype\" is missing"},
        RefusedCase{"no shape", one_tensor(R"("dtype":"F32","data_offsets":[0,4])", 4), "a: \"shape\" is missing"},
        RefusedCase{"no offsets", one_tensor(R"("dtype":"F32","shape":[1])", 4), "a: \"data_offsets\" is missing"},
        RefusedCase{"a dtype that nobody knows", one_tensor(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])", 1),
                    "a.dtype: is \"F8_E4M3\", expected one of F64, F32", Error::Code::kUnsupported},
        RefusedCase{"two dtypes", one_tensor(R"("dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4])", 4),
                    "a: \"dtype\" stands twice"},
        RefusedCase{"a negative size", one_tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4),
                    "a.shape[0]: is -1, expected 0 or more"},
        RefusedCase{"a size that is no integer", one_tensor(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])", 4),
                    "a.shape[0]: is a number, expected an integer"},
        RefusedCase{"a shape that overflows",
                    one_tensor(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])", 0),
                    "shape [4611686018427387904, 4] has more bytes than 64 bits can count"},
        RefusedCase{"three offsets", one_tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])", 4),
                    "a.data_offsets: has 3 numbers, expected [begin, end]"},
        RefusedCase{"offsets backwards", one_tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4),
                    "m.st: a: data_offsets [4, 0] run backwards"},
        RefusedCase{"too few bytes", one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4),
                    "m.st: a: data_offsets [0, 4] hold 4 bytes, expected 8 for shape [2] of F32"},
        RefusedCase{"cut inside the data", one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 7),
                    "m.st: a: data_offsets [0, 8] end behind the file, which holds 7 bytes of data"},
        RefusedCase{"bytes behind the last tensor", one_tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 5),
                    "has 5 bytes of data, but the tensors end at 4"},
        RefusedCase{"a hole before the first tensor",
                    one_tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8),
                    "data begin at 4, expected 0 where the header ends: tensors leave a hole"},
        RefusedCase{"two tensors overlap",
                    safetensors_file(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                     R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                                     "123456"),
                    "m.st: b: data begin at 2, expected 4 where a ends: tensors overlap"},
        RefusedCase{"one name twice",
                    safetensors_file(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                     R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                                     "12345678"),
                    "m.st: a: the tensor stands twice in the header"}));
TEST_P(RefusedSafetensors, NamesFileTensorFoundAndExpected) {
  const auto& [why, file, part, code] = GetParam();
  const auto entries = parse(file);
  ASSERT_FALSE(entries.ok()) << why;
  EXPECT_EQ(entries.error().code, code) << why;
  EXPECT_EQ(entries.error().where.rfind("m.st", 0), 0U) << entries.error().message();
  EXPECT_NE(entries.error().message().find(part), std::string::npos) << entries.error().message();
}

TEST(Safetensors, ReadsFromTheBeginningOfAFile) {
  const std::string head = one_tensor(R"("dtype":"F32","shape":[1000],"data_offsets":[0,4000])", 0);
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(head.data()), head.size());
  const auto entries = parse_safetensors_header(bytes, head.size() + 4000, "m.st");
  ASSERT_TRUE(entries.ok()) << entries.error().message();
  EXPECT_EQ(entries.value()[0].end, head.size() + 4000);
}

}  // namespace
}  // namespace rerank::io
