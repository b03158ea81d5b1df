// A data set as a protocol wants it: the queries it asks, the passages it ranks, and their texts.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "evaluation/dataset.h"
#include "evaluation/paired_measures.h"
#include "evaluation/protocol_files.h"
#include "evaluation/protocols.h"
#include "evaluation/trec.h"
#include "rerank/error.h"

namespace rerank::evaluation {

// Without the white space at both ends, which is what Python's str.strip() takes for that. `text` is UTF-8.
std::string_view stripped(std::string_view text);

struct ProtocolChoice {
  const Protocol* protocol = nullptr;
  std::filesystem::path folder;    // of all data, or one data set
  std::string split = {};          // "": the protocol's
  std::string first_stage = {};    // a place as in Protocol::first_stages, tried alone; "": the protocol's
  const Texts* prompts = nullptr;  // of all data sets; none: queries go as they are
  std::size_t queries = 0;         // only the first of those that the protocol asks; 0: all
  BadLine bad = stop_at_bad_line;  // what is done at a line of the data set or the first stage that cannot be used
};

// The data sets of the protocol that are there, in its order. The only one, where the folder is a data set itself.
// kNotFound where there is none.
Result<std::vector<std::string>> find_datasets(const ProtocolChoice& choice);

struct ProtocolQuery {
  std::string id, text;                  // as the model is asked
  std::vector<std::string> passage_ids;  // in the order of the first stage
};

struct ProtocolData {
  std::string dataset, split;
  // Where it came from; empty for what the protocol has not.
  struct Files {
    std::filesystem::path corpus, queries, qrels, first_stage, instructions, changed;
  } files;
  std::vector<ProtocolQuery> queries;  // those with passages to rank
  Passages passages;
  Qrels qrels;      // of the queries that are asked, those without passages included
  Run first_stage;  // what is reranked; scores are 0 where there is no first stage
  ChangedPassages changed;
  std::size_t pairs = 0;
  std::size_t dropped_identical = 0, dropped_excluded = 0;  // passages
};

// kNotFound names the places where a part was looked for. kBadInput, with file and line, for what cannot be used, and
// for ids that the corpus or the queries lack, where `choice.bad` does not let them pass: then they are left out; kIo,
// kCorrupt.
Result<ProtocolData> read_protocol_data(const ProtocolChoice& choice, const std::string& dataset);

}  // namespace rerank::evaluation
