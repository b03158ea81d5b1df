// The values that a template works with: Python's, as far as templates need them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rerank::tokenizer::jinja {

struct Value;
using List = std::vector<Value>;
using Map = std::map<std::string, Value, std::less<>>;
struct Undefined {
  std::string name;
};
struct None {};

// Lists and maps are shared; only a namespace is ever changed.
struct Value {
  std::variant<Undefined, None, bool, std::int64_t, std::string, std::shared_ptr<List>, std::shared_ptr<Map>> held;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&held);
  }
  const List* list() const {
    const auto* held_list = as<std::shared_ptr<List>>();
    return held_list != nullptr ? held_list->get() : nullptr;
  }
  Map* map() const {
    const auto* held_map = as<std::shared_ptr<Map>>();
    return held_map != nullptr ? held_map->get() : nullptr;
  }
  const char* type() const {
    static constexpr const char* kNames[] = {"undefined", "none",   "a boolean", "a number",
                                             "a string",  "a list", "a mapping"};
    return kNames[held.index()];
  }
};

inline Value text_value(std::string text) {
  return Value{std::move(text)};
}

bool truthy(const Value& value);

// Python's ==: true and 1 are equal.
bool equal(const Value& a, const Value& b);

// Python's str.strip(), lstrip() and rstrip(): Unicode white space and the four separators of ASCII.
std::string strip(std::string_view text, bool left, bool right);

}  // namespace rerank::tokenizer::jinja
