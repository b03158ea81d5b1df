// What may be called a model, a revision, a commit and a file. Such names come from strangers and become parts of paths
// and of addresses, so nothing else gets that far.
#pragma once

#include <string>
#include <string_view>

namespace rerank::hub {

// "OWNER/NAME" in the characters that the hub allows.
bool is_model_name(std::string_view text);

// A branch, a tag or a commit: parts of letters, digits, ".", "_" and "-" with single slashes between, none of which is
// a dot or two dots.
bool is_revision(std::string_view text);

// A commit as the hub writes it out: 40 hexadecimal digits (64 in repositories by SHA-256), small letters.
bool is_commit(std::string_view text);

// A file at the top of a repository, by its plain name.
bool is_file_name(std::string_view text);

bool is_sha256(std::string_view text);  // 64 hexadecimal digits, small letters
bool is_sha1(std::string_view text);    // 40 of them

// `text` as one part of a URL's path: everything but letters, digits, "-", ".", "_" and "~" as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace rerank::hub
