#include "tokenizer/jinja_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/try.h"
#include "base/utf8.h"

namespace rerank::tokenizer::jinja {
namespace {

// A template that is still running after this many steps, or that wrote this much, is hostile.
constexpr std::size_t kMaxSteps = 4'000'000, kMaxOutput = std::size_t{64} << 20;

class Renderer {
 public:
  Renderer(const std::string& name, const ChatOptions& options, std::map<std::string, Value> variables)
      : name_(name), options_(options), scopes_{std::move(variables)} {}

  Result<std::string> run(const std::vector<Statement>& statements) {
    RERANK_TRY(execute(statements));
    return std::move(out_);
  }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  Error error(Error::Code code, std::size_t line, std::string what) const {
    return Error{code, fmt::format("line {}: {}", line, what), name_, ""};
  }
  Error bad(const Expression& at, std::string what) const {
    return error(Error::Code::kBadInput, at.line, std::move(what));
  }
  Error unsupported(const Expression& at, std::string what) const {
    return error(Error::Code::kUnsupported, at.line, what + " is not supported");
  }
  Status step(std::size_t line) {
    if (++steps_ > kMaxSteps || out_.size() > kMaxOutput)
      return error(Error::Code::kBadInput, line, "the template runs on and on: it was stopped");
    return {};
  }

  // --- statements ---

  Status execute(const std::vector<Statement>& statements) {
    for (const Statement& statement : statements) {
      RERANK_TRY(step(statement.line));
      RERANK_TRY(execute(statement));
      if (flow_ != Flow::kNext) break;
    }
    return {};
  }

  Status execute(const Statement& statement) {
    using Kind = Statement::Kind;
    switch (statement.kind) {
      case Kind::kText:
        out_ += statement.text;
        return {};
      case Kind::kPrint: {
        RERANK_ASSIGN(const Value value, evaluate(statement.expression));
        RERANK_ASSIGN(const std::string text, as_text(statement.expression, value));
        out_ += text;
        return {};
      }
      case Kind::kSet: {
        RERANK_ASSIGN(Value value, evaluate(statement.expression));
        if (statement.attribute.empty()) {
          scopes_.back()[statement.text] = std::move(value);
          return {};
        }
        Map* const target = look_up(statement.text).map();
        if (target == nullptr || namespaces_.count(target) == 0)
          return error(Error::Code::kBadInput, statement.line,
                       fmt::format("\"{}\" is not a namespace", statement.text));
        (*target)[statement.attribute] = std::move(value);
        return {};
      }
      case Kind::kIf: {
        RERANK_ASSIGN(const Value condition, evaluate(statement.expression));
        return execute(truthy(condition) ? statement.body : statement.other);
      }
      case Kind::kFor:
        return loop(statement);
      case Kind::kBreak:
        flow_ = Flow::kBreak;
        return {};
      case Kind::kContinue:
        flow_ = Flow::kContinue;
        return {};
    }
    return {};
  }

  Status loop(const Statement& statement) {
    RERANK_ASSIGN(const Value over, evaluate(statement.expression));
    List items;
    if (const List* list = over.list()) {
      items = *list;
    } else if (const Map* map = over.map()) {
      for (const auto& [key, value] : *map) items.push_back(text_value(key));
    } else if (over.as<Undefined>() == nullptr) {
      return bad(statement.expression, fmt::format("for goes through {}, not a list", over.type()));
    }
    if (items.empty()) return execute(statement.other);
    for (std::size_t i = 0; i < items.size(); ++i) {
      RERANK_TRY(step(statement.line));
      std::map<std::string, Value> scope;
      if (statement.names.size() == 1) {
        scope[statement.names[0]] = items[i];
      } else {
        const List* parts = items[i].list();
        if (parts == nullptr || parts->size() != statement.names.size())
          return bad(statement.expression, fmt::format("for wants {} values from each item", statement.names.size()));
        for (std::size_t n = 0; n < parts->size(); ++n) scope[statement.names[n]] = (*parts)[n];
      }
      auto info = std::make_shared<Map>();
      const auto number = [](std::size_t value) { return Value{static_cast<std::int64_t>(value)}; };
      (*info)["index"] = number(i + 1);
      (*info)["index0"] = number(i);
      (*info)["length"] = number(items.size());
      (*info)["first"] = Value{i == 0};
      (*info)["last"] = Value{i + 1 == items.size()};
      if (i > 0) (*info)["previtem"] = items[i - 1];
      if (i + 1 < items.size()) (*info)["nextitem"] = items[i + 1];
      scope["loop"] = Value{std::move(info)};
      scopes_.push_back(std::move(scope));
      const Status done = execute(statement.body);
      scopes_.pop_back();
      RERANK_TRY(done);
      const bool stop = flow_ == Flow::kBreak;
      flow_ = Flow::kNext;
      if (stop) break;
    }
    return {};
  }

  // --- expressions ---

  Value look_up(const std::string& name) const {
    for (std::size_t i = scopes_.size(); i-- > 0;)
      if (const auto found = scopes_[i].find(name); found != scopes_[i].end()) return found->second;
    return Value{Undefined{name}};
  }

  Result<std::string> as_text(const Expression& at, const Value& value) const {
    if (const auto* text = value.as<std::string>()) return *text;
    if (value.as<Undefined>() != nullptr) return std::string();
    if (value.as<None>() != nullptr) return std::string("None");
    if (const bool* flag = value.as<bool>()) return std::string(*flag ? "True" : "False");
    if (const auto* number = value.as<std::int64_t>()) return std::to_string(*number);
    return unsupported(at, fmt::format("printing {}", value.type()));
  }

  Result<Value> evaluate(const Expression& expression) {
    using Kind = Expression::Kind;
    RERANK_TRY(step(expression.line));
    const auto& children = expression.children;
    switch (expression.kind) {
      case Kind::kString:
        return text_value(expression.text);
      case Kind::kInteger:
        return Value{static_cast<std::int64_t>(std::stoll(expression.text))};
      case Kind::kTrue:
        return Value{true};
      case Kind::kFalse:
        return Value{false};
      case Kind::kNone:
        return Value{None{}};
      case Kind::kAbsent:
        return Value{Undefined{}};
      case Kind::kName:
        return look_up(expression.text);
      case Kind::kList: {
        auto list = std::make_shared<List>();
        for (const Expression& child : children) {
          RERANK_ASSIGN(Value item, evaluate(child));
          list->push_back(std::move(item));
        }
        return Value{std::move(list)};
      }
      case Kind::kAttribute: {
        RERANK_ASSIGN(const Value object, evaluate(children[0]));
        return member(expression, object, expression.text);
      }
      case Kind::kItem:
        return item(expression);
      case Kind::kSlice:
        return slice(expression);
      case Kind::kCall:
        return call(expression);
      case Kind::kKeyword:
        return evaluate(children[0]);
      case Kind::kFilter:
        return filter(expression);
      case Kind::kTest:
      case Kind::kNotTest: {
        RERANK_ASSIGN(const bool holds, test(expression));
        return Value{holds == (expression.kind == Kind::kTest)};
      }
      case Kind::kNot: {
        RERANK_ASSIGN(const Value inner, evaluate(children[0]));
        return Value{!truthy(inner)};
      }
      case Kind::kNegate: {
        RERANK_ASSIGN(const Value inner, evaluate(children[0]));
        if (const auto* number = inner.as<std::int64_t>()) return Value{-*number};
        return bad(expression, fmt::format("- is applied to {}", inner.type()));
      }
      case Kind::kAnd:
      case Kind::kOr: {
        RERANK_ASSIGN(Value left, evaluate(children[0]));
        if (truthy(left) == (expression.kind == Kind::kOr)) return left;
        return evaluate(children[1]);
      }
      case Kind::kIf: {
        RERANK_ASSIGN(const Value condition, evaluate(children[1]));
        return evaluate(children[truthy(condition) ? 0 : 2]);
      }
      case Kind::kBinary:
        return binary(expression);
    }
    return Value{Undefined{}};
  }

  Result<Value> member(const Expression& at, const Value& object, const std::string& name) const {
    if (const auto* undefined = object.as<Undefined>())
      return bad(at, fmt::format("\"{}\" is undefined and has no \"{}\"", undefined->name, name));
    if (const Map* map = object.map()) {
      if (const auto found = map->find(name); found != map->end()) return found->second;
    }
    return Value{Undefined{name}};
  }

  Result<Value> item(const Expression& expression) {
    RERANK_ASSIGN(const Value object, evaluate(expression.children[0]));
    RERANK_ASSIGN(const Value key, evaluate(expression.children[1]));
    if (const auto* name = key.as<std::string>()) return member(expression, object, *name);
    const auto* index = key.as<std::int64_t>();
    const List* list = object.list();
    if (index == nullptr || list == nullptr) {
      if (const auto* undefined = object.as<Undefined>())
        return bad(expression, fmt::format("\"{}\" is undefined and has no items", undefined->name));
      return unsupported(expression, fmt::format("{} as an index of {}", key.type(), object.type()));
    }
    const std::int64_t at = *index < 0 ? *index + static_cast<std::int64_t>(list->size()) : *index;
    if (at < 0 || at >= static_cast<std::int64_t>(list->size()))
      return Value{Undefined{fmt::format("item {}", *index)}};
    return (*list)[static_cast<std::size_t>(at)];
  }

  Result<Value> slice(const Expression& expression) {
    RERANK_ASSIGN(const Value object, evaluate(expression.children[0]));
    const List* list = object.list();
    if (list == nullptr) return unsupported(expression, fmt::format("a slice of {}", object.type()));
    const auto size = static_cast<std::int64_t>(list->size());
    const auto bound = [&](const Expression& child, std::int64_t fallback) -> Result<std::int64_t> {
      RERANK_ASSIGN(const Value value, evaluate(child));
      if (value.as<Undefined>() != nullptr || value.as<None>() != nullptr) return fallback;
      const auto* number = value.as<std::int64_t>();
      if (number == nullptr) return bad(child, fmt::format("a slice is bounded by {}", value.type()));
      return std::clamp<std::int64_t>(*number < 0 ? *number + size : *number, 0, size);
    };
    RERANK_ASSIGN(const std::int64_t first, bound(expression.children[1], 0));
    RERANK_ASSIGN(const std::int64_t last, bound(expression.children[2], size));
    auto part = std::make_shared<List>();
    if (first < last) part->assign(list->begin() + first, list->begin() + last);
    return Value{std::move(part)};
  }

  Result<Value> binary(const Expression& expression) {
    RERANK_ASSIGN(const Value left, evaluate(expression.children[0]));
    RERANK_ASSIGN(const Value right, evaluate(expression.children[1]));
    const std::string& op = expression.text;
    if (op == "==") return Value{equal(left, right)};
    if (op == "!=") return Value{!equal(left, right)};
    if (op == "in" || op == "not in") {
      RERANK_ASSIGN(const bool inside, contains(expression, right, left));
      return Value{inside == (op == "in")};
    }
    const auto *a = left.as<std::string>(), *b = right.as<std::string>();
    if (op == "~") {
      RERANK_ASSIGN(std::string whole, as_text(expression, left));
      RERANK_ASSIGN(const std::string tail, as_text(expression, right));
      return text_value(whole + tail);
    }
    if (op == "+" && a != nullptr && b != nullptr) return text_value(*a + *b);
    if (op == "+" && left.list() != nullptr && right.list() != nullptr) {
      auto joined = std::make_shared<List>(*left.list());
      joined->insert(joined->end(), right.list()->begin(), right.list()->end());
      return Value{std::move(joined)};
    }
    const auto *m = left.as<std::int64_t>(), *n = right.as<std::int64_t>();
    if (m != nullptr && n != nullptr) return arithmetic(expression, op, *m, *n);
    if (a != nullptr && b != nullptr) {
      if (op == "<") return Value{*a < *b};
      if (op == ">") return Value{*a > *b};
      if (op == "<=") return Value{*a <= *b};
      if (op == ">=") return Value{*a >= *b};
    }
    return bad(expression, fmt::format("\"{}\" is applied to {} and {}", op, left.type(), right.type()));
  }

  Result<Value> arithmetic(const Expression& at, const std::string& op, std::int64_t m, std::int64_t n) const {
    constexpr std::int64_t kLimit = std::int64_t{1} << 31;
    if (std::max(std::abs(m), std::abs(n)) >= kLimit) return unsupported(at, "arithmetic with numbers this large");
    if (op == "+") return Value{m + n};
    if (op == "-") return Value{m - n};
    if (op == "*") return Value{m * n};
    if (op == "<") return Value{m < n};
    if (op == ">") return Value{m > n};
    if (op == "<=") return Value{m <= n};
    if (op == ">=") return Value{m >= n};
    if (op == "/") return unsupported(at, "division to a fraction");
    if (n == 0) return bad(at, "divides by zero");
    const std::int64_t remainder = ((m % n) + n) % n;  // Python's: the sign of the divisor
    return op == "%" ? Value{remainder} : Value{(m - remainder) / n};
  }

  Result<bool> contains(const Expression& at, const Value& whole, const Value& part) const {
    if (const List* list = whole.list())
      return std::any_of(list->begin(), list->end(), [&](const Value& entry) { return equal(entry, part); });
    const auto* name = part.as<std::string>();
    if (const Map* map = whole.map()) return name != nullptr && map->find(*name) != map->end();
    if (const auto* text = whole.as<std::string>(); text != nullptr && name != nullptr)
      return text->find(*name) != std::string::npos;
    return bad(at, fmt::format("\"in\" is applied to {}", whole.type()));
  }

  Result<bool> test(const Expression& expression) {
    const std::string& name = expression.text;
    RERANK_ASSIGN(const Value value, evaluate(expression.children[0]));
    if (expression.children.size() == 1) {
      const bool is_text = value.as<std::string>() != nullptr, is_map = value.map() != nullptr;
      if (name == "defined") return value.as<Undefined>() == nullptr;
      if (name == "undefined") return value.as<Undefined>() != nullptr;
      if (name == "none") return value.as<None>() != nullptr;
      if (name == "string") return is_text;
      if (name == "mapping") return is_map;
      if (name == "iterable" || name == "sequence") return is_text || is_map || value.list() != nullptr;
      if (name == "boolean") return value.as<bool>() != nullptr;
      if (name == "integer" || name == "number") return value.as<std::int64_t>() != nullptr;
      if (name == "true") return value.as<bool>() != nullptr && truthy(value);
      if (name == "false") return value.as<bool>() != nullptr && !truthy(value);
    } else if (name == "equalto" || name == "eq") {
      RERANK_ASSIGN(const Value other, evaluate(expression.children[1]));
      return equal(value, other);
    }
    return unsupported(expression, fmt::format("the test \"{}\"", name));
  }

  Result<Value> filter(const Expression& expression) {
    const std::string& name = expression.text;
    RERANK_ASSIGN(const Value value, evaluate(expression.children[0]));
    const auto* text = value.as<std::string>();
    const std::size_t arguments = expression.children.size() - 1;
    if (name == "trim" && arguments == 0 && text != nullptr) return text_value(strip(*text, true, true));
    if ((name == "length" || name == "count") && arguments == 0) {
      if (text != nullptr) return Value{static_cast<std::int64_t>(count_code_points(*text))};
      if (value.list() != nullptr) return Value{static_cast<std::int64_t>(value.list()->size())};
      if (value.map() != nullptr) return Value{static_cast<std::int64_t>(value.map()->size())};
    }
    if (name == "string" && arguments == 0) {
      RERANK_ASSIGN(std::string printed, as_text(expression, value));
      return text_value(std::move(printed));
    }
    if (name == "default" && arguments >= 1) {
      bool even_if_false = false;
      if (arguments == 2) {
        RERANK_ASSIGN(const Value flag, evaluate(expression.children[2]));
        even_if_false = truthy(flag);
      }
      if (value.as<Undefined>() != nullptr || (even_if_false && !truthy(value)))
        return evaluate(expression.children[1]);
      return value;
    }
    if ((name == "first" || name == "last") && arguments == 0 && value.list() != nullptr) {
      if (value.list()->empty()) return Value{Undefined{name}};
      return name == "first" ? value.list()->front() : value.list()->back();
    }
    if (name == "join" && arguments <= 1 && value.list() != nullptr) {
      std::string between, joined;
      if (arguments == 1) {
        RERANK_ASSIGN(const Value separator, evaluate(expression.children[1]));
        RERANK_ASSIGN(between, as_text(expression, separator));
      }
      for (std::size_t i = 0; i < value.list()->size(); ++i) {
        RERANK_ASSIGN(const std::string entry, as_text(expression, (*value.list())[i]));
        if (i > 0) joined += between;
        joined += entry;
      }
      return text_value(std::move(joined));
    }
    if (text == nullptr && (name == "trim" || name == "length" || name == "join"))
      return bad(expression, fmt::format("the filter \"{}\" is applied to {}", name, value.type()));
    return unsupported(expression, fmt::format("the filter \"{}\"", name));
  }

  Result<Value> call(const Expression& expression) {
    const Expression& callee = expression.children[0];
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < expression.children.size(); ++i) {
      RERANK_ASSIGN(Value value, evaluate(expression.children[i]));
      arguments.push_back(std::move(value));
    }
    const auto text = [&](std::size_t i) { return i < arguments.size() ? arguments[i].as<std::string>() : nullptr; };
    if (callee.kind == Expression::Kind::kAttribute) {
      RERANK_ASSIGN(const Value object, evaluate(callee.children[0]));
      return method(expression, object, callee.text, arguments);
    }
    const std::string name = callee.kind == Expression::Kind::kName ? callee.text : "";
    if (name == "raise_exception" && arguments.size() == 1 && text(0) != nullptr)
      return bad(expression, fmt::format("the template refuses these messages: {}", *text(0)));
    if (name == "strftime_now" && arguments.size() == 1 && text(0) != nullptr) {
      const std::time_t now = options_.now.value_or(std::time(nullptr));
      std::tm local{};
      localtime_r(&now, &local);
      char buffer[256];
      return text_value(std::string(buffer, std::strftime(buffer, sizeof buffer, text(0)->c_str(), &local)));
    }
    if (name == "namespace") {
      auto made = std::make_shared<Map>();
      for (std::size_t i = 1; i < expression.children.size(); ++i) {
        if (expression.children[i].kind != Expression::Kind::kKeyword)
          return unsupported(expression, "namespace() of a value without a name");
        (*made)[expression.children[i].text] = arguments[i - 1];
      }
      namespaces_[made.get()] = made;
      return Value{std::move(made)};
    }
    return unsupported(expression, fmt::format("the function \"{}\"", name.empty() ? "(expression)" : name));
  }

  Result<Value> method(const Expression& at, const Value& object, const std::string& name,
                       const std::vector<Value>& arguments) {
    const auto* text = object.as<std::string>();
    const auto* first = arguments.empty() ? nullptr : arguments[0].as<std::string>();
    if (text != nullptr && arguments.empty()) {
      if (name == "strip") return text_value(strip(*text, true, true));
      if (name == "lstrip") return text_value(strip(*text, true, false));
      if (name == "rstrip") return text_value(strip(*text, false, true));
    }
    if (text != nullptr && arguments.size() == 1 && first != nullptr) {
      if (name == "startswith") return Value{text->compare(0, first->size(), *first) == 0};
      if (name == "endswith")
        return Value{text->size() >= first->size() &&
                     text->compare(text->size() - first->size(), first->size(), *first) == 0};
    }
    if (object.as<Undefined>() != nullptr)
      return bad(at, fmt::format("\"{}\" is undefined and has no \"{}\"", object.as<Undefined>()->name, name));
    return unsupported(at, fmt::format("the method \"{}\" of {}", name, object.type()));
  }

  const std::string& name_;
  const ChatOptions& options_;
  std::vector<std::map<std::string, Value>> scopes_;  // innermost last
  std::map<const Map*, std::shared_ptr<Map>> namespaces_;
  Flow flow_ = Flow::kNext;
  std::string out_;
  std::size_t steps_ = 0;
};

}  // namespace

Result<std::string> render(const std::vector<Statement>& statements, std::map<std::string, Value> variables,
                           const ChatOptions& options, const std::string& name) {
  return Renderer(name, options, std::move(variables)).run(statements);
}

}  // namespace rerank::tokenizer::jinja
