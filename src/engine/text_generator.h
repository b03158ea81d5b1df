// What stands behind a TextGenerator: a model that writes, and whatever keeps it alive.
#pragma once

#include <memory>

#include "engine/generating_model.h"
#include "rerank/generate.h"
#include "scoring/chat_pairs.h"

namespace rerank {

struct TextGenerator::Impl {
  Impl(std::shared_ptr<const void> what_keeps_it, GeneratingModel& writes, const io::Checkpoint& checkpoint)
      : owner(std::move(what_keeps_it)),
        model(writes),
        chat(scoring::read_chat_format(checkpoint, checkpoint.chat_template_jinja())) {}

  Result<GenerationRequest> request(std::string_view prompt, const GenerateOptions& options) const;

  std::shared_ptr<const void> owner;
  GeneratingModel& model;
  Result<scoring::ChatFormat> chat;  // many models can do without
  std::vector<std::string> remarks;  // on loading
};

}  // namespace rerank
