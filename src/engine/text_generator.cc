#include <fmt/format.h>

#include "base/try.h"
#include "base/utf8.h"
#include "engine/choose_ops.h"
#include "engine/generating_model.h"
#include "rerank/generate.h"

namespace rerank {
namespace {

GeneratedText as_text(const Generation& generation) {
  GeneratedText text;
  text.text = generation.text;
  text.stopped = generation.finish != Generation::Finish::kLength;
  for (const GenerationStep& step : generation.steps) {
    text.token_ids.push_back(step.token);
    std::vector<TokenProbability>& likeliest = text.logprobs.emplace_back();
    for (const auto& [token, log_probability] : step.top) likeliest.push_back({token, log_probability});
  }
  return text;
}

Error at_prompt(std::size_t prompt_idx, Error error) {
  error.where = fmt::format("prompt {}", prompt_idx);
  return error;
}

Status check(const GenerateOptions& options, int vocabulary) {
  const auto refuse = [](const char* option, std::string what, std::string fix) {
    return Error{Error::Code::kBadInput, std::move(what), option, std::move(fix)};
  };
  if (options.max_new_tokens < 0) return refuse("--max-new-tokens", "is negative", "give a number of tokens");
  if (options.logprobs < 0 || options.logprobs > vocabulary)
    return refuse("--logprobs", fmt::format("is {}, but there are {} tokens", options.logprobs, vocabulary),
                  "ask for fewer");
  for (const std::string& stop : options.stop) {
    if (stop.empty()) return refuse("--stop", "is empty", "leave it out");
    if (first_invalid_utf8(stop) != std::string_view::npos)
      return refuse("--stop", "is not UTF-8", "give whole characters");
  }
  return {};
}

}  // namespace

struct TextGenerator::Impl {
  Impl(io::Checkpoint opened, int threads) : checkpoint(std::move(opened)), tokenizer(checkpoint), workers(threads) {}

  Result<GenerationRequest> request(std::string_view prompt, const GenerateOptions& options) const;

  io::Checkpoint checkpoint;  // embedding tables stay mapped
  BackgroundTokenizer tokenizer;
  WorkerPool workers;
  std::unique_ptr<GeneratingModel> model;  // borrows all of the above
};

Result<TextGenerator> TextGenerator::load(const std::filesystem::path& folder, const EngineOptions& options) {
  RERANK_ASSIGN(const ChosenOps chosen, choose_ops(options));
  RERANK_ASSIGN(io::Checkpoint checkpoint, io::Checkpoint::open(folder));
  auto impl = std::make_shared<Impl>(std::move(checkpoint), chosen.threads);
  RERANK_ASSIGN(impl->model, GeneratingModel::load({impl->checkpoint, impl->tokenizer, impl->workers,
                                                    scoring::Method::kReasoning, chosen.ops, chosen.threads, options}));
  return TextGenerator(std::move(impl));
}

Result<GenerationRequest> TextGenerator::Impl::request(std::string_view prompt, const GenerateOptions& options) const {
  tokenizer::EncodeOptions encode_options;
  encode_options.special_tokens_in_text = options.special_tokens_in_text;
  RERANK_ASSIGN(auto tokens, model->tokenizer().encode(prompt, encode_options));
  const auto positions = static_cast<std::size_t>(model->decoder().sizes.max_positions);
  if (tokens.ids.empty()) return Error{Error::Code::kBadInput, "has no tokens", "", "say what the text begins with"};
  if (tokens.ids.size() > positions)
    return Error{Error::Code::kBadInput,
                 fmt::format("has {} tokens, the model has {} positions", tokens.ids.size(), positions), "",
                 "use a shorter one"};
  GenerationRequest request;
  request.max_new_tokens = static_cast<std::size_t>(options.max_new_tokens);
  request.prompt = std::move(tokens.ids);
  request.stop_strings = options.stop;
  request.top_logprobs = static_cast<std::size_t>(options.logprobs);
  return request;
}

Result<std::vector<Result<GeneratedText>>> TextGenerator::generate(std::span<const std::string_view> prompts,
                                                                   const GenerateOptions& options) const {
  RERANK_TRY(check(options, impl_->model->decoder().sizes.vocabulary));
  std::vector<Result<GeneratedText>> texts(prompts.size(), GeneratedText());
  bool stopped = false;
  const auto tell = [&](std::size_t prompt_idx) {
    if (options.on_done && !options.on_done(prompt_idx, texts[prompt_idx])) stopped = true;
  };
  std::vector<GenerationRequest> requests;
  std::vector<std::size_t> prompt_of;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto request = impl_->request(prompts[i], options);
    if (request.ok()) {
      requests.push_back(std::move(request).value());
      prompt_of.push_back(i);
    } else {
      texts[i] = at_prompt(i, std::move(request.error()));
      tell(i);
    }
  }
  GenerationHooks hooks;
  hooks.on_done = [&](std::size_t i, const Result<Generation>& generation) {
    if (!generation.ok()) {
      texts[prompt_of[i]] = at_prompt(prompt_of[i], generation.error());
    } else {
      texts[prompt_of[i]] = as_text(generation.value());
    }
    tell(prompt_of[i]);
    return !stopped;
  };
  hooks.on_tokens = options.on_tokens;
  const auto results = impl_->model->generator().generate(requests, hooks);
  // Those that the call did not come to.
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!results[i].ok()) texts[prompt_of[i]] = at_prompt(prompt_of[i], results[i].error());
  return texts;
}

TextGenerator::TextGenerator(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
TextGenerator::TextGenerator(TextGenerator&&) noexcept = default;
TextGenerator& TextGenerator::operator=(TextGenerator&&) noexcept = default;
TextGenerator::~TextGenerator() = default;

}  // namespace rerank
