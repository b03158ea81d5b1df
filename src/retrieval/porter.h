// The Porter stemmer.
#pragma once

#include <string>

namespace rerank::retrieval {

// Cuts an English word in small letters to its stem, as M. F. Porter's algorithm (1980) with the two departures of his
// own program ("bli" -> "ble", "logi" -> "log"), which is also Lucene's. Other bytes count as consonants.
void porter_stem(std::string& word);

}  // namespace rerank::retrieval
