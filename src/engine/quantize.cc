#include "rerank/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/cpus.h"
#include "base/try.h"
#include "io/checkpoint.h"
#include "io/mapped_file.h"
#include "io/new_folder.h"
#include "io/safetensors_writer.h"
#include "models/linear_layers.h"
#include "models/quantize_matrix.h"
#include "scoring/method.h"

namespace rerank {
namespace fs = std::filesystem;
namespace {

using models::Quantization;

constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kConfigFile = "config.json";

constexpr std::string_view kInt8Vocabulary = "int8", kKeptVocabulary = "keep";

// Weights in any program's format: what they hold is written anew, and beside it they would be the old model.
constexpr std::string_view kWeightEndings[] = {".safetensors", ".safetensors.index.json",
                                               ".bin",         ".bin.index.json",
                                               ".pt",          ".pth",
                                               ".ckpt",        ".h5",
                                               ".msgpack",     ".onnx",
                                               ".gguf",        ".ot"};

Error stopped() {
  return Error{Error::Code::kIo, "was stopped; nothing is written", "quantize", ""};
}

Result<Quantization> quantization_of(std::string_view dtype) {
  if (dtype == "int4") return Quantization::kInt4;
  if (dtype == "int8") return Quantization::kInt8;
  return Error{Error::Code::kBadInput, fmt::format("\"{}\" is not a dtype to quantize to", dtype), "--dtype",
               "there are int8, int4"};
}

// The product with the vocabulary if it is to become integers. A single row of it is not worth their place in the file.
Result<std::optional<models::VocabularyLayer>> vocabulary_to_quantize(
    const io::Checkpoint& checkpoint, const std::optional<models::VocabularyLayer>& vocabulary,
    const std::string& choice) {
  if (!choice.empty() && choice != kInt8Vocabulary && choice != kKeptVocabulary)
    return Error{Error::Code::kBadInput, fmt::format("\"{}\" is nothing that can become of a vocabulary", choice),
                 "--vocabulary", fmt::format("there are {}, {}", kInt8Vocabulary, kKeptVocabulary)};
  const bool is_read = vocabulary && !checkpoint.weights().has("lm_head.0.linear_head.weight");
  if (choice == kInt8Vocabulary && !is_read)
    return Error{Error::Code::kUnsupported, "scores of this model come from heads, not from a vocabulary",
                 checkpoint.name(), fmt::format("leave --vocabulary {} out", kInt8Vocabulary)};
  if (choice == kKeptVocabulary || !is_read) return std::optional<models::VocabularyLayer>();
  // A model that no name tells apart most likely reads all of it.
  const auto detected = scoring::detect_method(checkpoint.config(), checkpoint.name(), "");
  const bool reads_a_row = detected.ok() && detected.value().method == scoring::Method::kYesLogit;
  return choice == kInt8Vocabulary || !reads_a_row ? vocabulary : std::optional<models::VocabularyLayer>();
}

Status check_is_not_quantized(const io::Json& config) {
  const auto found = config.find("quantization_config");
  if (!found) return {};
  return found->error(Error::Code::kUnsupported, "the checkpoint is quantized already",
                      "use the one that it was made from");
}

// The new config.json: the old one and how the weights are held.
Result<std::string> quantized_config(const fs::path& model, Quantization quantization, const QuantizeReport& report) {
  RERANK_ASSIGN(const io::MappedFile file, io::MappedFile::open(model / kConfigFile));
  // The checkpoint's own reader has parsed it before; this one keeps the order of the keys.
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(file.text(), nullptr, false);
  if (!config.is_object())
    return Error{Error::Code::kCorrupt, "is no JSON object", file.path(), "download the file again"};
  nlohmann::ordered_json kept = nlohmann::ordered_json::array();
  for (const QuantizedLayer& layer : report.layers)
    if (!layer.kept.empty()) kept.push_back(layer.name);
  const bool int4 = quantization == Quantization::kInt4;
  nlohmann::ordered_json how = {{"quant_method", int4 ? models::kInt4Method : models::kInt8Method}};
  if (int4) how["version"] = "gemm";
  how["bits"] = kernels::bits_of(format_of(quantization));
  how["group_size"] = kernels::kGroup;
  how["zero_point"] = true;
  how["modules_to_not_convert"] = kept.empty() ? nlohmann::ordered_json() : std::move(kept);
  if (report.vocabulary && report.vocabulary->kept.empty())
    how[std::string(models::kVocabularyKey)] = models::kInt8Method;
  config["quantization_config"] = std::move(how);
  // What other programs compute in: the kernels that they have for AWQ know no other dtype.
  if (int4) config["torch_dtype"] = "float16";
  return config.dump(2) + "\n";
}

Status copy_other_files(const fs::path& from, const fs::path& to) {
  const auto failed = [](const fs::path& path, const std::error_code& code) {
    return Error{Error::Code::kIo, fmt::format("cannot copy: {}", code.message()), path.string(), ""};
  };
  std::error_code code;
  for (fs::directory_iterator entry(from, code), end; !code && entry != end; entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    const bool is_weights = std::any_of(std::begin(kWeightEndings), std::end(kWeightEndings),
                                        [&](std::string_view ending) { return name.ends_with(ending); });
    // Folders hold other programs' versions of the model.
    if (is_weights || name == kConfigFile || name.starts_with('.') || !entry->is_regular_file(code)) continue;
    fs::copy_file(entry->path(), to / name, code);
    if (code) return failed(entry->path(), code);
  }
  if (code) return failed(from, code);
  return {};
}

// The work on one checkpoint's weights.
class Quantizer {
 public:
  Quantizer(const io::Checkpoint& checkpoint, Quantization quantization, const QuantizeOptions& options)
      : weights_(checkpoint.weights()),
        tensors_(checkpoint.store().tensors()),
        total_bytes_(checkpoint.store().total_bytes()),
        quantization_(quantization),
        options_(options),
        threads_(options.threads > 0 ? options.threads : usable_cpus()) {}

  // Which layers become what; `vocabulary` is what is to be quantized of it.
  Status plan(models::LinearLayerList layers, const std::optional<models::VocabularyLayer>& vocabulary) {
    report_.architecture = std::move(layers.architecture);
    report_.dtype = options_.dtype;
    report_.bytes_before = total_bytes_;
    std::size_t quantized = 0;
    for (models::LinearLayer& layer : layers.layers) {
      // Is it there, as config.json implies?
      RERANK_ASSIGN(const io::Tensor weight, weights_.scope(layer.name).tensor("weight", {layer.out, layer.in}));
      std::string kept = layer.padded_inputs ? "its inputs are heads that are padded"
                                             : models::why_not_quantized(quantization_, layer.out, layer.in);
      quantized += kept.empty();
      layer_of_[std::string(weight.name)] = report_.layers.size();
      report_.layers.push_back({std::move(layer.name), layer.out, layer.in, std::move(kept), 0});
    }
    if (vocabulary) {
      RERANK_ASSIGN(const io::Tensor weight, weights_.tensor(vocabulary->weight, {vocabulary->out, vocabulary->in}));
      vocabulary_weight_ = weight.name;
      // AWQ's readers would make a head up where they find none.
      vocabulary_beside_ = vocabulary->tied || quantization_ == Quantization::kInt4;
      std::string kept = models::why_not_quantized(Quantization::kInt8, vocabulary->out, vocabulary->in);
      report_.vocabulary = QuantizedLayer{"lm_head", vocabulary->out, vocabulary->in, std::move(kept), 0};
    }
    if (quantized > 0) return {};
    const QuantizedLayer& first = report_.layers.front();
    return Error{Error::Code::kUnsupported, fmt::format("no layer can be {}: {}", options_.dtype, first.kept),
                 first.name, quantization_ == Quantization::kInt4 ? "try int8" : "leave this checkpoint as it is"};
  }

  Status write(const fs::path& file) {
    RERANK_ASSIGN(io::SafetensorsWriter writer, io::SafetensorsWriter::create(file, new_tensors()));
    std::size_t index = 0, bytes_done = 0, layers_done = 0;
    for (const io::Tensor& tensor : tensors_) {
      const auto target = target_of(tensor.name);
      if (!target || target->beside) {
        RERANK_TRY(copy(tensor, writer, index));
        ++index;
      }
      if (target) {
        RERANK_TRY(quantize(tensor, *target, writer, index));
        layers_done += tensor.name != vocabulary_weight_;
        index += 3;
      }
      bytes_done += tensor.bytes.size();
      const double fraction = static_cast<double>(bytes_done) / static_cast<double>(total_bytes_);
      if (options_.progress && !options_.progress(fraction, layers_done)) return stopped();
    }
    return writer.close();
  }

  QuantizeReport report() && {
    double sum = 0, largest = -1;
    std::size_t quantized = 0;
    for (std::size_t i = 0; i < report_.layers.size(); ++i) {
      const QuantizedLayer& layer = report_.layers[i];
      if (!layer.kept.empty()) continue;
      ++quantized;
      sum += layer.error;
      if (layer.error > largest) {
        largest = layer.error;
        report_.worst = i;
      }
    }
    report_.mean_error = sum / static_cast<double>(quantized);
    return std::move(report_);
  }
  const QuantizeReport& unfinished_report() const { return report_; }

 private:
  // Some outputs of a matrix, which are columns of its tensors.
  struct Columns {
    std::size_t out, first, count;

    // `bytes`: what the rows of a tensor have of them, row after row.
    Status write(std::span<const std::byte> bytes, std::size_t rows, io::SafetensorsWriter& writer,
                 std::size_t tensor) const {
      if (count == out) return writer.write(tensor, 0, bytes);
      const std::size_t width = bytes.size() / rows, whole_width = width * out / count;
      for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t at = row * whole_width + width * first / count;
        RERANK_TRY(writer.write(tensor, at, bytes.subspan(row * width, width)));
      }
      return {};
    }
  };

  // What a weight becomes.
  struct Target {
    QuantizedLayer* layer;  // in the report
    Quantization quantization;
    bool beside;  // the weight itself stays, too
  };
  std::optional<Target> target_of(std::string_view tensor) {
    Target target{nullptr, quantization_, false};
    if (const auto found = layer_of_.find(tensor); found != layer_of_.end()) {
      target.layer = &report_.layers[found->second];
    } else if (report_.vocabulary && tensor == vocabulary_weight_) {
      target = {&*report_.vocabulary, Quantization::kInt8, vocabulary_beside_};
    }
    return target.layer != nullptr && target.layer->kept.empty() ? std::optional(target) : std::nullopt;
  }

  // In the order of tensors_; of a quantized one its integers, its zeros, its scales.
  std::vector<io::TensorEntry> new_tensors() {
    std::vector<io::TensorEntry> entries;
    for (const io::Tensor& tensor : tensors_) {
      const auto target = target_of(tensor.name);
      if (!target || target->beside) {
        entries.push_back({std::string(tensor.name), tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}});
        report_.bytes_after += tensor.bytes.size();
      }
      if (!target) continue;
      const QuantizedLayer& layer = *target->layer;
      const std::size_t words = layer.out / outputs_in_word(target->quantization),
                        groups = kernels::groups_of(layer.in);
      entries.push_back({layer.name + ".qweight", io::Dtype::kI32, {layer.in, words}});
      entries.push_back({layer.name + ".qzeros", io::Dtype::kI32, {groups, words}});
      entries.push_back({layer.name + ".scales", io::Dtype::kF16, {groups, layer.out}});
      report_.bytes_after += 4 * (layer.in + groups) * words + 2 * groups * layer.out;
    }
    return entries;
  }

  // Both in pieces: a vocabulary or an embedding table may be larger than what memory has left.
  Status quantize(const io::Tensor& weight, const Target& target, io::SafetensorsWriter& writer, std::size_t index) {
    constexpr std::size_t kPiece = 8192;  // outputs
    const std::size_t out = weight.shape[0], row_bytes = weight.bytes.size() / out;
    double weights_squared = 0, errors_squared = 0;
    for (std::size_t first = 0; first < out; first += kPiece) {
      const std::size_t shape[] = {std::min(kPiece, out - first), weight.shape[1]};
      io::Tensor piece = weight;
      piece.shape = shape;
      piece.bytes = weight.bytes.subspan(first * row_bytes, shape[0] * row_bytes);
      RERANK_ASSIGN(const models::QuantizedData data, models::quantize_matrix(piece, target.quantization, threads_));
      io::release(piece);
      weights_squared += data.weights_squared;
      errors_squared += data.errors_squared;
      const Columns columns{out, first, shape[0]};
      const std::size_t in = weight.shape[1], groups = kernels::groups_of(in);
      RERANK_TRY(columns.write(std::as_bytes(std::span(data.qweight)), in, writer, index));
      RERANK_TRY(columns.write(std::as_bytes(std::span(data.qzeros)), groups, writer, index + 1));
      RERANK_TRY(columns.write(std::as_bytes(std::span(data.scales)), groups, writer, index + 2));
    }
    target.layer->error = weights_squared > 0 ? std::sqrt(errors_squared / weights_squared) : 0;
    return {};
  }
  Status copy(const io::Tensor& tensor, io::SafetensorsWriter& writer, std::size_t index) {
    constexpr std::size_t kPiece = std::size_t{16} << 20;
    for (std::size_t offset = 0; offset < tensor.bytes.size(); offset += kPiece) {
      io::Tensor piece = tensor;
      piece.bytes = tensor.bytes.subspan(offset, std::min(kPiece, tensor.bytes.size() - offset));
      RERANK_TRY(writer.write(index, offset, piece.bytes));
      io::release(piece);
    }
    return {};
  }

  io::WeightScope weights_;
  std::vector<io::Tensor> tensors_;  // of the checkpoint, sorted by name
  std::size_t total_bytes_;
  Quantization quantization_;
  const QuantizeOptions& options_;
  int threads_;
  QuantizeReport report_;
  std::map<std::string, std::size_t, std::less<>> layer_of_;  // a weight's name -> index in the report
  std::string vocabulary_weight_;                             // the name of the weight that report_.vocabulary is of
  bool vocabulary_beside_ = false;
};

}  // namespace

Result<QuantizeReport> quantize(const fs::path& model, const fs::path& out, const QuantizeOptions& options) {
  RERANK_ASSIGN(const Quantization quantization, quantization_of(options.dtype));
  RERANK_ASSIGN(const io::Checkpoint checkpoint, io::Checkpoint::open(model));
  RERANK_TRY(check_is_not_quantized(checkpoint.config()));
  RERANK_ASSIGN(models::LinearLayerList layers, models::linear_layers(checkpoint.config()));
  RERANK_ASSIGN(const auto vocabulary, vocabulary_to_quantize(checkpoint, layers.vocabulary, options.vocabulary));
  Quantizer quantizer(checkpoint, quantization, options);
  RERANK_TRY(quantizer.plan(std::move(layers), vocabulary));
  RERANK_ASSIGN(io::NewFolder folder, io::NewFolder::create(out));
  RERANK_TRY(copy_other_files(model, folder.path()));
  RERANK_TRY(quantizer.write(folder.path() / kWeightsFile));
  // Last: without it, what a killed process leaves behind is no model.
  RERANK_ASSIGN(const std::string config, quantized_config(model, quantization, quantizer.unfinished_report()));
  RERANK_TRY(folder.write(kConfigFile, config));
  RERANK_TRY(folder.publish());
  return std::move(quantizer).report();
}

}  // namespace rerank
