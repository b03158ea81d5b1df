#include "cli/bad_records.h"

#include <fmt/format.h>

#include <CLI/Validators.hpp>
#include <string>

namespace rerank::cli {

void add_on_error(CLI::App& command, OnError& target) {
  command
      .add_option_function<std::string>(
          "--on-error",
          [&target](const std::string& word) { target = word == "skip" ? OnError::kSkip : OnError::kFail; },
          "At a bad line: stop, with the scores before it written (fail), or report it, leave it out and go on with "
          "exit code 0 (skip) [fail]")
      ->check(CLI::IsMember({"fail", "skip"}).description(""))
      ->type_name("fail|skip");
}

Status BadRecords::meet(Error error) {
  if (rule_ == OnError::kFail) return error;
  ++skipped_;
  bar_.note(error.message() + ", skipped");
  return {};
}

void BadRecords::summarize(const char* unit) {
  if (skipped_ > 0) bar_.note(fmt::format("{} bad {}{} skipped", skipped_, unit, skipped_ == 1 ? "" : "s"));
}

}  // namespace rerank::cli
