#include "dialects/choose_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"

namespace rerank::dialects {
namespace {

std::optional<std::size_t> find_named(const Catalog& catalog, std::string_view name) {
  const std::string wanted = ascii_lower(name);
  for (std::size_t i = 0; i < catalog.models.size(); ++i)
    if (ascii_lower(catalog.models[i].name) == wanted) return i;
  return std::nullopt;
}

std::optional<std::size_t> find_lenient(const Catalog& catalog, std::string_view name) {
  if (const auto exact = find_named(catalog, name)) return exact;
  const std::string_view unmarked = name.substr(0, name.find("___"));
  if (const auto found = find_named(catalog, unmarked)) return found;
  return find_named(catalog, unmarked.substr(unmarked.rfind('/') + 1));
}

std::size_t default_of(const Catalog& catalog, bool must_write) {
  if (!must_write || catalog.models[catalog.default_model].generates) return catalog.default_model;
  const auto writes = std::find_if(catalog.models.begin(), catalog.models.end(),
                                   [](const ServedModel& model) { return model.generates; });
  return writes == catalog.models.end() ? catalog.default_model
                                        : static_cast<std::size_t>(writes - catalog.models.begin());
}

}  // namespace

std::variant<ChosenModel, Failure> choose_model(const Body& body, const Catalog& catalog, bool must_write) {
  const auto named = body.text("model");
  if (!named.ok()) return Failure{Failure::Kind::kInvalid, named.error().message()};
  const std::string name = named.value().value_or("");
  std::optional<std::size_t> index;
  if (name.empty()) {
    index = default_of(catalog, must_write);
  } else if (catalog.models.size() == 1) {
    index = 0;
  } else {
    index = find_lenient(catalog, name);
  }
  if (!index) {
    std::string known;
    for (const ServedModel& model : catalog.models) known += (known.empty() ? "" : ", ") + model.name;
    return Failure{Failure::Kind::kNoSuchModel,
                   fmt::format("The model `{}` does not exist; this server has: {}", name, known)};
  }
  const ServedModel& model = catalog.models[*index];
  if (must_write && model.ready && !model.generates)
    return Failure{Failure::Kind::kUnsupported,
                   fmt::format("The model `{}` writes no text: its method is {}", model.name, model.info.method)};
  return ChosenModel{*index, name.empty() ? model.name : name};
}

}  // namespace rerank::dialects
