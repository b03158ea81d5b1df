// An examples file of `rerank verify`: pairs, the options to score them with, and the scores that somebody printed for
// them. models/verify/README.md has the format.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/engine.h"

namespace rerank::cli {

struct ExamplePair {
  std::string query, passage;
};

// What was printed for one pair: its score, or, of several cutoff layers, a score for each in the order asked for.
struct PrintedScore {
  std::vector<double> values;
  bool every_layer = false;  // it is a list in the file; else the one value is that of the highest layer
};

// One call with one set of options.
struct ExamplesRun {
  std::string title;
  ScoreOptions options;  // the caller's, with those of the file in their place
  std::vector<ExamplePair> pairs;
  std::vector<PrintedScore> printed;  // [pairs]; empty where nothing was printed
  // By dtype; int8 may be missing; empty where nothing was printed.
  std::map<std::string, double, std::less<>> tolerance;
  std::string why;
};

struct Examples {
  std::string file;                // for messages
  std::vector<std::string> names;  // of the models it belongs to, as on the hub
  std::string method;
  std::vector<ExamplesRun> runs;
};

// kBadInput with file and JSON path for everything that breaks the format, unknown keys and options included.
// `options` are what the runs start from.
Result<Examples> parse_examples(std::string_view text, const std::string& file, const ScoreOptions& options);

// The same from a file of the user.
Result<Examples> read_examples(const std::string& file, const ScoreOptions& options);

// The examples of the card whose model has one of these names: each is compared from its last "/" on, capitals aside.
// kNotFound, with the cards that there are. Names that come first count first; empty ones fit none.
Result<Examples> find_card_examples(const std::vector<std::string>& names, const ScoreOptions& options);

}  // namespace rerank::cli
