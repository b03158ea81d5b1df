// Hidden states at the stations of a forward pass, for comparing with a reference program.
#pragma once

#include <string>
#include <vector>

#include "base/view.h"

namespace rerank::models {

struct Trace {
  struct Station {
    std::string name;           // "embeddings", "layer.0", ...
    std::vector<float> values;  // [rows, hidden]
  };
  std::vector<Station> stations;
};

// Adds the first `hidden` columns of all rows; nothing without a trace.
inline void record(Trace* trace, std::string name, const View<float, Tokens, Hidden>& x, std::size_t hidden) {
  if (trace == nullptr) return;
  Trace::Station station{std::move(name), {}};
  for (std::size_t r = 0; r < x.rows; ++r)
    station.values.insert(station.values.end(), x.row(r).data(), x.row(r).data() + hidden);
  trace->stations.push_back(std::move(station));
}

}  // namespace rerank::models
