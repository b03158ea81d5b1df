// The model that is compiled into the program: models/embedded/, with its card.
#pragma once

#include "io/checkpoint.h"

namespace rerank {

io::EmbeddedCheckpoint embedded_checkpoint();

}  // namespace rerank
