// Errors that say what is wrong, where, and how to mend it; and Result, which carries one or a value.
//
// Loading and requests return Result. Only a bug in our own code may abort.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace rerank {

struct Error {
  enum class Code {
    kBadInput,     // a text, file line or option of the caller is wrong
    kNotFound,     // a file or name does not exist
    kCorrupt,      // a file exists but breaks its own format
    kUnsupported,  // well-formed, but nothing here can run it
    kOutOfMemory,  // a size that this machine cannot hold
    kIo,           // the operating system refused: permission, full disk, broken pipe
    kInternal,     // a bug of ours
  };

  Code code = Code::kInternal;
  std::string what;   // "shape is [2, 1024], expected [1, 1024]"
  std::string where;  // "model.safetensors: classifier.out_proj.weight"
  std::string fix;    // "this checkpoint has 2 labels; use one trained for reranking"

  // One line for people: "WHERE: WHAT (FIX)"; empty parts are left out.
  std::string message() const {
    std::string text = where.empty() ? what : where + ": " + what;
    if (!fix.empty()) text += " (" + fix + ")";
    return text;
  }
};

// Either a T or an Error. Ask ok() before value() or error().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return held_.index() == 0; }
  T& value() & { return std::get<0>(held_); }
  const T& value() const& { return std::get<0>(held_); }
  T&& value() && { return std::get<0>(std::move(held_)); }
  Error& error() { return std::get<1>(held_); }
  const Error& error() const { return std::get<1>(held_); }

 private:
  std::variant<T, Error> held_;
};

// Success, or an Error: the Result of an action without a value. A default-made Status is success.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return held_.index() == 0; }
  Error& error() { return std::get<1>(held_); }
  const Error& error() const { return std::get<1>(held_); }

 private:
  std::variant<std::monostate, Error> held_;
};
using Status = Result<void>;

}  // namespace rerank
