// What stands at the other end of stdout and stderr, and how text is fitted to it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rerank::cli {

bool is_terminal(int file_descriptor);

// Columns of the terminal at `file_descriptor`; without one, COLUMNS from the environment; else 100.
std::size_t terminal_columns(int file_descriptor);

// Whether escape sequences for colour may be written: a terminal, no NO_COLOR (no-color.org), TERM not "dumb".
bool colour_allowed(int file_descriptor);

// One line of at most `columns` columns: runs of white space become one space, other control characters are left out
// (they could drive the terminal), and a text that is cut ends in "…". East Asian wide characters take two columns.
// `text` must be well-formed UTF-8.
std::string excerpt(std::string_view text, std::size_t columns);

// The lines of a text, cleaned as by excerpt() and broken where they are wider than `columns` (2 at least): between
// words, or inside one that is wider alone. Empty lines are left out.
std::vector<std::string> wrap(std::string_view text, std::size_t columns);

// Columns that well-formed text takes on a terminal.
std::size_t display_width(std::string_view text);

}  // namespace rerank::cli
