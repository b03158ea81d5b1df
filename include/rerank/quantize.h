// Makes a smaller checkpoint of a checkpoint: its linear layers as integers of 8 or 4 bits, and the product with the
// vocabulary as integers of 8.
//
//   auto report = rerank::quantize("rank1-7b", "rank1-7b-int4", {.dtype = "int4"});
//   if (!report.ok()) { std::cerr << report.error().message(); return 2; }
//   auto engine = rerank::Engine::load("rank1-7b-int4");
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rerank/error.h"

namespace rerank {

struct QuantizeOptions {
  std::string dtype = "int4";  // or "int8"
  // What becomes of the product with the vocabulary: "int8", or "keep" for nothing. Empty: "int8" for a model that
  // reads all of it for each score or token, "keep" for one that reads a single row, or has heads of its own.
  std::string vocabulary = {};
  int threads = 0;  // 0: one for each CPU
  // Called from the caller's thread, with the share of the bytes that are done, from 0 to 1, and the linear layers.
  // False ends the call soon, with an error and without a new folder.
  std::function<bool(double fraction, std::size_t layers_done)> progress = {};
};

struct QuantizedLayer {
  std::string name;             // "model.layers.0.mlp.up_proj"
  std::size_t out = 0, in = 0;  // the shape of its weight
  std::string kept;             // why it stays as it is, as a phrase; empty where it is quantized
  double error = 0;             // root mean square of what its weights are off by, over that of its weights
};

struct QuantizeReport {
  std::string architecture, dtype;
  std::vector<QuantizedLayer> layers;             // every linear layer between embeddings and head
  double mean_error = 0;                          // of the layers that are quantized
  std::size_t worst = 0;                          // index of the one with the largest error
  std::optional<QuantizedLayer> vocabulary;       // its product, where it was to be quantized; not one of the layers
  std::size_t bytes_before = 0, bytes_after = 0;  // of all tensors
};

// Writes the folder `out`, which loads like any other: int4 is AutoAWQ's "gemm" format, int8 our own
// (docs/decisions/0008). Embeddings, norms, biases and other heads stay as they are stored, and so do linear layers
// whose shape the format cannot hold; all other files of `model` beside its weights are copied. The integers of a
// vocabulary stand beside its floats where those are the embeddings too, or where other programs look for them (int4);
// else in their place. Holds one layer at a time in memory, or 8,192 rows of a larger one. The folder appears under its
// name when it is complete; until then nothing there can be loaded.
//
// kBadInput for another dtype or choice for the vocabulary, for an `out` that exists and is no empty folder, or whose
// own folder does not exist; kNotFound, kCorrupt or kUnsupported for a model that cannot be loaded, is quantized
// already, has no layer that can be, or no vocabulary where one was asked for; kIo for what the system refuses, a full
// disk above all.
Result<QuantizeReport> quantize(const std::filesystem::path& model, const std::filesystem::path& out,
                                const QuantizeOptions& options = {});

}  // namespace rerank
