#include "engine/text_generator.h"

#include <fmt/format.h>

#include "base/try.h"
#include "base/utf8.h"
#include "engine/choose_ops.h"
#include "engine/decode_text.h"
#include "engine/model_tokenizer.h"

namespace rerank {
namespace {

// Texts of tokens, each alone.
class TokenTexts {
 public:
  explicit TokenTexts(const tokenizer::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string operator()(std::int32_t token) const { return tokenizer_.decode({&token, 1}, false); }

 private:
  const tokenizer::Tokenizer& tokenizer_;
};

std::vector<TokenProbability> likeliest_of(const GenerationStep& step, const GenerateOptions& options,
                                           const TokenTexts& texts) {
  std::vector<TokenProbability> likeliest;
  for (const auto& [token, log_probability] : step.top)
    likeliest.push_back({token, log_probability, options.token_texts ? texts(token) : std::string()});
  return likeliest;
}

// Without the control tokens, if nobody wants them.
std::string text_of(const Generation& generation, std::span<const std::int32_t> ids, bool skip_special_tokens,
                    const tokenizer::Tokenizer& tokenizer) {
  if (!skip_special_tokens) return generation.text;
  std::string text = tokenizer.decode(ids, true);
  if (generation.finish != Generation::Finish::kStop) return text;
  const std::size_t stop = text.find(generation.stop);
  return stop == std::string::npos ? generation.text : text.substr(0, stop);
}

GeneratedText as_text(const Generation& generation, const GenerationRequest& request, const GenerateOptions& options,
                      const tokenizer::Tokenizer& tokenizer) {
  const TokenTexts texts(tokenizer);
  GeneratedText text;
  text.prompt_tokens = static_cast<std::uint32_t>(request.prompt.size());
  text.stopped = generation.finish != Generation::Finish::kLength;
  for (const GenerationStep& step : generation.steps) {
    text.token_ids.push_back(step.token);
    text.logprobs.push_back(likeliest_of(step, options, texts));
    if (options.token_texts) text.token_texts.push_back(texts(step.token));
  }
  text.text = text_of(generation, text.token_ids, options.skip_special_tokens, tokenizer);
  return text;
}

// Collects the steps of a prompt until some of its text is sure.
struct Growing {
  TextStream stream;
  TextDelta delta = {};
};

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

namespace {

// A model that was loaded to write and nothing else.
struct LoadedToWrite {
  LoadedToWrite(io::Checkpoint opened, int threads)
      : checkpoint(std::move(opened)), tokenizer(checkpoint), workers(threads) {}

  io::Checkpoint checkpoint;  // embedding tables stay mapped
  BackgroundTokenizer tokenizer;
  WorkerPool workers;
  std::unique_ptr<GeneratingModel> model;  // borrows all of the above
};

}  // namespace

Result<TextGenerator> TextGenerator::load(const std::filesystem::path& folder, const EngineOptions& options) {
  RERANK_ASSIGN(const ChosenOps chosen, choose_ops(options));
  RERANK_ASSIGN(io::Checkpoint checkpoint, io::Checkpoint::open(folder));
  auto loaded = std::make_shared<LoadedToWrite>(std::move(checkpoint), chosen.threads);
  const auto cache = open_weight_cache(loaded->checkpoint, chosen, "generation", options);
  RERANK_ASSIGN(loaded->model,
                GeneratingModel::load({loaded->checkpoint, loaded->tokenizer, loaded->workers,
                                       scoring::Method::kReasoning, chosen.ops, chosen.threads, options, cache.get()}));
  auto impl = std::make_shared<Impl>(loaded, *loaded->model, loaded->checkpoint);
  if (cache != nullptr) {
    cache->save();
    impl->remarks = cache->remarks();
  }
  return TextGenerator(std::move(impl));
}

Result<GenerationRequest> TextGenerator::Impl::request(std::string_view prompt, const GenerateOptions& options) const {
  tokenizer::EncodeOptions encode_options;
  encode_options.special_tokens_in_text = options.special_tokens_in_text;
  encode_options.add_special_tokens = options.special_tokens;
  RERANK_ASSIGN(auto tokens, model.tokenizer().encode(prompt, encode_options));
  const auto positions = static_cast<std::size_t>(model.decoder().sizes.max_positions);
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
  request.tell_steps = static_cast<bool>(options.on_text);
  return request;
}

Result<std::vector<Result<GeneratedText>>> TextGenerator::generate(std::span<const std::string_view> prompts,
                                                                   const GenerateOptions& options) const {
  RERANK_TRY(check(options, impl_->model.decoder().sizes.vocabulary));
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
  const tokenizer::Tokenizer& tokenizer = impl_->model.tokenizer();
  const TokenTexts token_texts(tokenizer);
  std::vector<Growing> growing;
  if (options.on_text)
    for (std::size_t i = 0; i < requests.size(); ++i)
      growing.push_back({TextStream(tokenizer, options.stop, options.skip_special_tokens)});
  const auto tell_text = [&](std::size_t i, std::string text) {
    growing[i].delta.text = std::move(text);
    if (!options.on_text(prompt_of[i], growing[i].delta)) stopped = true;
    growing[i].delta = {};
  };
  hooks.on_step = [&](std::size_t i, const GenerationStep& step) {
    TextDelta& delta = growing[i].delta;
    delta.token_ids.push_back(step.token);
    delta.logprobs.push_back(likeliest_of(step, options, token_texts));
    if (options.token_texts) delta.token_texts.push_back(token_texts(step.token));
    if (std::string text = growing[i].stream.add(step.token); !text.empty()) tell_text(i, std::move(text));
    return !stopped;
  };
  hooks.on_done = [&](std::size_t i, const Result<Generation>& generation) {
    if (!generation.ok()) {
      texts[prompt_of[i]] = at_prompt(prompt_of[i], generation.error());
    } else {
      GeneratedText text = as_text(generation.value(), requests[i], options, tokenizer);
      if (options.on_text) {
        std::string rest = growing[i].stream.finish(text.text);
        if (!rest.empty() || !growing[i].delta.token_ids.empty()) tell_text(i, std::move(rest));
      }
      texts[prompt_of[i]] = std::move(text);
    }
    tell(prompt_of[i]);
    return !stopped;
  };
  hooks.on_tokens = options.on_tokens;
  const auto results = impl_->model.generator().generate(requests, hooks);
  // Those that the call did not come to.
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!results[i].ok()) texts[prompt_of[i]] = at_prompt(prompt_of[i], results[i].error());
  return texts;
}

Result<std::string> TextGenerator::chat_prompt(std::span<const ChatMessage> messages) const {
  if (!impl_->chat.ok()) return impl_->chat.error();
  std::vector<tokenizer::ChatMessage> turns;
  for (const ChatMessage& message : messages) turns.push_back({message.role, message.content});
  return impl_->chat.value().chat_template.render(turns, impl_->chat.value().options);
}

std::vector<std::string> TextGenerator::remarks() const {
  return impl_->remarks;
}

ModelTokenizer TextGenerator::tokenizer() const {
  const std::shared_ptr<const tokenizer::Tokenizer> shared(impl_, &impl_->model.tokenizer());
  return ModelTokenizer(std::make_shared<const ModelTokenizer::Impl>(ModelTokenizer::Impl{shared}));
}

TextGenerator::TextGenerator(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
TextGenerator::TextGenerator(TextGenerator&&) noexcept = default;
TextGenerator& TextGenerator::operator=(TextGenerator&&) noexcept = default;
TextGenerator::~TextGenerator() = default;

}  // namespace rerank
