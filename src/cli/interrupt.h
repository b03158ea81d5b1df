// Ctrl-C as a question, so that a long command can write what it has scored before it stops.
#pragma once

namespace rerank::cli {

// From now on the first SIGINT or SIGTERM only makes interrupted() true; a second one ends the process at once.
void catch_interrupts();

bool interrupted();

}  // namespace rerank::cli
