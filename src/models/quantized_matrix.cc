#include "models/quantized_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "base/try.h"

namespace rerank::models {
namespace {

// kUnsupported when the number at `key` is another. Absent keys have the value of transformers' AwqConfig.
Status expect_number(const io::Json& config, std::string_view key, std::int64_t expected) {
  RERANK_ASSIGN(const std::int64_t value, config.integer_or(key, expected));
  if (value == expected) return {};
  return config.error(Error::Code::kUnsupported, fmt::format("{} is {}, expected {}", key, value, expected));
}

// Word `output / outputs_in_word` of each row of a tensor of words.
class WordColumn {
 public:
  WordColumn(const io::Tensor& words, Quantization quantization, std::size_t output)
      : data_(words.bytes.data() + output / outputs_in_word(quantization) * sizeof(std::uint32_t)),
        stride_(words.shape[1] * sizeof(std::uint32_t)) {}

  std::uint32_t at(std::size_t row) const {
    std::uint32_t word;  // the file's tensors are aligned to nothing
    std::memcpy(&word, data_ + row * stride_, sizeof word);
    return word;
  }
  bool operator==(const WordColumn&) const = default;

 private:
  const std::byte* data_;
  std::size_t stride_;
};

}  // namespace

Result<Quantization> read_quantization(const io::Json& config) {
  const auto found = config.find("quantization_config");
  if (!found) return Quantization::kNone;
  RERANK_ASSIGN(const std::string_view method, found->string_at("quant_method"));
  if (method != kInt4Method && method != kInt8Method)
    return found->error(
        Error::Code::kUnsupported,
        fmt::format("quant_method is \"{}\", expected \"{}\" or \"{}\"", method, kInt4Method, kInt8Method),
        "use the checkpoint that this one was made from, or its AWQ version");
  const Quantization quantization = method == kInt4Method ? Quantization::kInt4 : Quantization::kInt8;
  RERANK_ASSIGN(const std::string version, found->string_or("version", "gemm"));
  if (ascii_lower(version) != "gemm")
    return found->error(Error::Code::kUnsupported, fmt::format("version is \"{}\", expected \"gemm\"", version));
  RERANK_TRY(expect_number(*found, "bits", static_cast<std::int64_t>(kernels::bits_of(format_of(quantization)))));
  RERANK_TRY(expect_number(*found, "group_size", static_cast<std::int64_t>(kernels::kGroup)));
  RERANK_ASSIGN(const bool zeros, found->boolean_or("zero_point", true));
  if (!zeros) return found->error(Error::Code::kUnsupported, "zero_point is false, expected true");
  return quantization;
}

Result<Quantization> read_vocabulary_quantization(const io::Json& config) {
  const auto found = config.find("quantization_config");
  if (!found) return Quantization::kNone;
  RERANK_ASSIGN(const std::string vocabulary, found->string_or(kVocabularyKey, ""));
  if (vocabulary.empty()) return Quantization::kNone;
  if (vocabulary == kInt8Method) return Quantization::kInt8;
  return found->error(Error::Code::kUnsupported,
                      fmt::format("{} is \"{}\", expected \"{}\"", kVocabularyKey, vocabulary, kInt8Method));
}

std::string why_not_quantized(Quantization quantization, std::size_t out, std::size_t in) {
  if (quantization == Quantization::kInt4 && in % kernels::kGroup != 0)
    return fmt::format("{} inputs, expected a multiple of {}", in, kernels::kGroup);
  if (out % outputs_in_word(quantization) != 0)
    return fmt::format("{} outputs, expected a multiple of {}", out, outputs_in_word(quantization));
  return "";
}

Result<QuantizedMatrix> QuantizedMatrix::open(const io::WeightScope& linear, Quantization quantization, std::size_t out,
                                              std::size_t in) {
  if (std::string why = why_not_quantized(quantization, out, in); !why.empty())
    return Error{Error::Code::kUnsupported, "a quantized layer of " + std::move(why), linear.path(), ""};
  const std::size_t words = out / outputs_in_word(quantization), groups = kernels::groups_of(in);
  QuantizedMatrix matrix;
  matrix.quantization = quantization;
  RERANK_ASSIGN(matrix.qweight, linear.tensor("qweight", {in, words}, io::Dtype::kI32));
  RERANK_ASSIGN(matrix.qzeros, linear.tensor("qzeros", {groups, words}, io::Dtype::kI32));
  RERANK_ASSIGN(matrix.scales, linear.tensor("scales", {groups, out}));
  return matrix;
}

void QuantizedMatrix::release() const {
  for (const io::Tensor& tensor : {qweight, qzeros, scales}) io::release(tensor);
}

Result<kernels::PackedWeight> pack_quantized(Quantization quantization, std::size_t out, std::size_t in,
                                             const std::function<QuantizedRow(std::size_t row)>& rows,
                                             std::span<const float> bias, int threads, bool as_w8a8) {
  using kernels::kGroup, kernels::kPanel;
  const std::uint32_t mask = (1u << kernels::bits_of(format_of(quantization))) - 1;
  const auto fill = [&](std::size_t panel, const kernels::PackedWeight::QuantizedPanel& to) {
    // Neighbouring outputs come from the same word, which is read once for all of them.
    struct Lane {
      std::size_t j;
      unsigned shift;
    };
    struct Source {
      WordColumn words;
      std::vector<Lane> lanes;
    };
    std::vector<Source> sources;
    for (std::size_t j = 0; j < std::min(kPanel, out - panel * kPanel); ++j) {
      const QuantizedRow row = rows(panel * kPanel + j);
      if (row.matrix == nullptr) continue;
      const unsigned shift = shift_of(quantization, row.output);
      const WordColumn words(row.matrix->qweight, quantization, row.output);
      if (sources.empty() || sources.back().words != words) sources.push_back({words, {}});
      sources.back().lanes.push_back({j, shift});
      const WordColumn zeros(row.matrix->qzeros, quantization, row.output);
      const std::size_t stride = row.matrix->scales.shape[1];
      for (std::size_t group = 0; group < kernels::groups_of(in); ++group) {
        to.zeros[group * kPanel + j] = static_cast<std::uint8_t>(zeros.at(group) >> shift & mask);
        io::convert_to_f32(row.matrix->scales, group * stride + row.output, {to.scales + group * kPanel + j, 1});
      }
    }
    // Input by input: the outputs of a panel are neighbours in the file.
    for (std::size_t k = 0; k < in; ++k)
      for (const Source& source : sources) {
        const std::uint32_t word = source.words.at(k);
        for (const Lane lane : source.lanes)
          to.values[k * kPanel + lane.j] = static_cast<std::uint8_t>(word >> lane.shift & mask);
      }
  };
  if (as_w8a8)
    return kernels::PackedWeight::pack_w8a8(out, in, kernels::PackedWeight::QuantizedReader(fill), bias, threads,
                                            "weights");
  return kernels::PackedWeight::pack_quantized(out, in, format_of(quantization), fill, bias, threads, "weights");
}

}  // namespace rerank::models
