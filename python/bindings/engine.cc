#include "engine.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "errors.h"
#include "rerank/engine.h"
#include "texts.h"

namespace nb = nanobind;

namespace rerank::python {
namespace {

using Scores = std::vector<Score>;
using Array = nb::ndarray<nb::numpy, double>;

// How often a running call looks for Ctrl-C, and tells of its progress.
constexpr std::chrono::milliseconds kTick{50};

unsigned long main_thread = 0;  // only there does Python handle signals

// One call of the engine. It runs on a thread of its own where the calling thread has something to do meanwhile: the
// handlers of signals and the progress function are Python, and run only here.
class Call {
 public:
  // `stop`: whoever asks it to, from any thread, ends the call soon; null: only a signal or the progress function can.
  Call(const Engine& engine, std::span<const Pair> pairs, const ScoreOptions& options, nb::object progress,
       const std::stop_source* stop)
      : engine_(engine), pairs_(pairs), options_(options), progress_(std::move(progress)) {
    if (stop != nullptr) stop_ = *stop;
    options_.stop = stop_.get_token();
    options_.on_tokens = [token = stop_.get_token()](std::uint64_t) { return !token.stop_requested(); };
  }

  // Needs the GIL, and gives it up while the engine works. Raises the first bad pair's error.
  Scores run() {
    const bool is_short = pairs_.size() <= 1 && engine_.info().method == "cross-encoder";
    const bool has_signals = PyThread_get_thread_ident() == main_thread && !is_short;
    if (!has_signals && progress_.is_none()) {
      auto scores = [this] {
        const nb::gil_scoped_release release;
        return engine_.score(pairs_, options_);
      }();
      return value_or_raise(std::move(scores));
    }
    auto scores = [this] {
      const nb::gil_scoped_release release;
      return watch();
    }();
    if (error_) throw std::move(*error_);
    if (scores.ok()) tell(pairs_.size());
    if (error_) throw std::move(*error_);
    return value_or_raise(std::move(scores));
  }

 private:
  Result<Scores> watch() {
    auto scores = std::async(std::launch::async, [this] {
      return engine_.score(pairs_, options_, [this](std::size_t done) { done_ = done; });
    });
    while (scores.wait_for(kTick) != std::future_status::ready) {
      if (error_) continue;  // the texts are borrowed until the engine is done with them
      const nb::gil_scoped_acquire acquire;
      if (PyErr_CheckSignals() != 0) {
        error_.emplace();
      } else {
        tell(done_);
      }
      if (error_) stop_.request_stop();
    }
    return scores.get();
  }

  void tell(std::size_t done) {
    if (progress_.is_none() || done == told_) return;
    told_ = done;
    try {
      progress_(done);
    } catch (nb::python_error& error) {
      error_.emplace(std::move(error));
    }
  }

  const Engine& engine_;
  std::span<const Pair> pairs_;
  ScoreOptions options_;
  nb::object progress_;
  std::stop_source stop_;
  std::atomic<std::size_t> done_ = 0;
  std::size_t told_ = 0;
  std::optional<nb::python_error> error_;  // what Python raised meanwhile
};

// [pairs], or [cutoff layers, pairs] where several layers were asked for. numpy takes the memory over.
Array as_array(const Scores& scores) {
  const std::size_t layers = scores.empty() ? 0 : scores.front().layer_values.size();
  auto values = std::make_unique<double[]>(scores.size() * std::max<std::size_t>(layers, 1));
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (layers == 0) values[i] = scores[i].value;
    for (std::size_t k = 0; k < layers; ++k) values[k * scores.size() + i] = scores[i].layer_values[k];
  }
  double* data = values.get();
  const nb::capsule owner(data, [](void* held) noexcept { delete[] static_cast<double*>(held); });
  values.release();
  if (layers == 0) return Array(data, {scores.size()}, owner);
  return Array(data, {layers, scores.size()}, owner);
}

class PythonEngine {
 public:
  PythonEngine(Engine engine) : engine_(std::move(engine)), process_(getpid()) {}

  const Engine& get() const {
    // The worker threads did not come along: a call would wait for them forever.
    if (getpid() != process_)
      raise({Error::Code::kBadInput, "this reranker was made before the process was forked", "",
             "make it in the process that uses it, or start processes with multiprocessing's 'spawn'"});
    return engine_;
  }

  Array score(nb::handle pairs, const ScoreOptions& options, nb::object progress, const std::stop_source* stop) const {
    const Texts texts = Texts::of_pairs(pairs);
    return as_array(Call(get(), texts.pairs(), options, std::move(progress), stop).run());
  }
  Array score_passages(nb::handle query, nb::handle passages, const ScoreOptions& options, nb::object progress,
                       const std::stop_source* stop) const {
    const Texts texts = Texts::of_passages(query, passages);
    return as_array(Call(get(), texts.pairs(), options, std::move(progress), stop).run());
  }
  Scores score_details(nb::handle pairs, const ScoreOptions& options, nb::object progress,
                       const std::stop_source* stop) const {
    const Texts texts = Texts::of_pairs(pairs);
    return Call(get(), texts.pairs(), options, std::move(progress), stop).run();
  }

 private:
  Engine engine_;
  pid_t process_;
};

Dtype dtype_of(const std::string& name) {
  if (name == "auto") return Dtype::kAuto;
  if (name == "f32") return Dtype::kF32;
  if (name == "bf16") return Dtype::kBf16;
  if (name == "int8") return Dtype::kInt8;
  raise({Error::Code::kBadInput, "'" + name + "' is none of: auto, f32, bf16, int8", "dtype", ""});
}

void load(PythonEngine* self, const std::optional<std::string>& folder, const std::string& dtype, int threads,
          const std::string& method, int last_layer, const std::string& adapter, const std::string& answer,
          std::size_t kv_bytes, const std::string& weight_cache, const std::string& cpu_level) {
  const EngineOptions options{.dtype = dtype_of(dtype),
                              .threads = threads,
                              .method = method,
                              .last_layer = last_layer,
                              .adapter = adapter,
                              .answer = answer,
                              .kv_bytes = kv_bytes,
                              .weight_cache = weight_cache,
                              .cpu_level = cpu_level};
  auto engine = [&] {
    const nb::gil_scoped_release release;
    return folder ? Engine::load(*folder, options) : Engine::load_embedded(options);
  }();
  new (self) PythonEngine(value_or_raise(std::move(engine)));
}

void bind_results(nb::module_& m) {
  nb::class_<Score>(m, "Score", "One pair's score, and how it came about.")
      .def_ro("value", &Score::value, "Logit, expected value or probability; from 0 to 1 if normalized.")
      .def_ro("tokens", &Score::tokens, "Tokens of the pair, special tokens and prompt included.")
      .def_ro("cut_tokens", &Score::cut_tokens, "Tokens of query and passage that truncation left out.")
      .def_ro("layer_values", &Score::layer_values, "Of several cutoff layers, in the order asked for; else empty.")
      .def_ro("reasoning", &Score::reasoning, "What the model wrote, without the verdict.")
      .def_ro("new_tokens", &Score::new_tokens, "Tokens that it wrote.")
      .def_ro("finished", &Score::finished, "Whether it came to a verdict of its own.");
  nb::class_<ModelInfo>(m, "ModelInfo", "What was loaded.")
      .def_ro("name", &ModelInfo::name)
      .def_ro("architecture", &ModelInfo::architecture)
      .def_ro("method", &ModelInfo::method)
      .def_ro("method_reason", &ModelInfo::method_reason)
      .def_ro("dtype", &ModelInfo::dtype)
      .def_ro("cpu_level", &ModelInfo::cpu_level)
      .def_ro("threads", &ModelInfo::threads)
      .def_ro("layers", &ModelInfo::layers)
      .def_ro("hidden", &ModelInfo::hidden)
      .def_ro("cutoff_layers", &ModelInfo::cutoff_layers)
      .def_ro("max_positions", &ModelInfo::max_positions)
      .def_ro("parameters", &ModelInfo::parameters)
      .def_ro("quantization", &ModelInfo::quantization)
      .def_ro("vocabulary_quantization", &ModelInfo::vocabulary_quantization)
      .def_ro("packed_bytes", &ModelInfo::packed_bytes)
      .def_ro("weight_cache", &ModelInfo::weight_cache);
}

}  // namespace

void bind_engine(nb::module_& m) {
  main_thread = nb::cast<unsigned long>(nb::module_::import_("threading").attr("main_thread")().attr("ident"));
  bind_results(m);
  nb::class_<std::stop_source>(m, "StopSource", "Ends the calls that it was given to, from any thread.")
      .def(nb::init<>())
      .def(
          "request_stop", [](std::stop_source& self) { self.request_stop(); },
          "They raise BadInputError as soon as the micro-batches that are running are done.");
  nb::class_<PythonEngine>(m, "Engine", "One loaded reranker. Any number of threads may call it at once.")
      .def("__init__", &load, nb::arg("folder").none(), nb::kw_only(), nb::arg("dtype") = "auto",
           nb::arg("threads") = 0, nb::arg("method") = "", nb::arg("last_layer") = 0, nb::arg("adapter") = "",
           nb::arg("answer") = "Yes", nb::arg("kv_bytes") = 0, nb::arg("weight_cache") = "", nb::arg("cpu_level") = "",
           "Loads a Hugging Face folder; None: the embedded model. The rest as EngineOptions in rerank/options.h.")
      .def("score", &PythonEngine::score, nb::arg("pairs"), nb::arg("options"), nb::arg("progress") = nb::none(),
           nb::arg("stop") = nb::none(),
           nb::sig("def score(self, pairs: collections.abc.Sequence[collections.abc.Sequence[str]], options: "
                   "ScoreOptions, progress: collections.abc.Callable[[int], object] | None = None, "
                   "stop: StopSource | None = None) -> "
                   "numpy.typing.NDArray[numpy.float64]"),
           "Scores of (query, passage) pairs: [pairs], or [layers, pairs] of several cutoff layers. `progress` hears "
           "how many pairs are done; `stop` ends the call.")
      .def("score_passages", &PythonEngine::score_passages, nb::arg("query"), nb::arg("passages"), nb::arg("options"),
           nb::arg("progress") = nb::none(), nb::arg("stop") = nb::none(),
           nb::sig("def score_passages(self, query: str, passages: collections.abc.Sequence[str], options: "
                   "ScoreOptions, progress: collections.abc.Callable[[int], object] | None = None, "
                   "stop: StopSource | None = None) -> "
                   "numpy.typing.NDArray[numpy.float64]"),
           "The same for one query and many passages.")
      .def("score_details", &PythonEngine::score_details, nb::arg("pairs"), nb::arg("options"),
           nb::arg("progress") = nb::none(), nb::arg("stop") = nb::none(),
           nb::sig("def score_details(self, pairs: collections.abc.Sequence[collections.abc.Sequence[str]], options: "
                   "ScoreOptions, progress: collections.abc.Callable[[int], object] | None = None, "
                   "stop: StopSource | None = None) -> list[Score]"),
           "The same with everything that is known of each pair.")
      .def(
          "remarks", [](const PythonEngine& self, const ScoreOptions& options) { return self.get().remarks(options); },
          nb::arg("options"), "What in `options` is not taken as written. One sentence each.")
      .def_prop_ro(
          "info", [](const PythonEngine& self) { return self.get().info(); }, "What was loaded.");
}

}  // namespace rerank::python
