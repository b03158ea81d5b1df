#include "cli/interrupt.h"

#include <csignal>

namespace rerank::cli {
namespace {

volatile std::sig_atomic_t signal_seen = 0;

void remember(int) {
  signal_seen = 1;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = remember;
  // RESETHAND: the second signal finds the default action. No SA_RESTART: a read that waits for a pipe must wake up.
  action.sa_flags = SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
  return signal_seen != 0;
}

}  // namespace rerank::cli
