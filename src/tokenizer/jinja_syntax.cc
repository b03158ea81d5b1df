#include "tokenizer/jinja_syntax.h"

#include <fmt/format.h>

#include <optional>

#include "base/try.h"
#include "tokenizer/jinja_parts.h"

namespace rerank::tokenizer::jinja {
namespace {

constexpr int kMaxDepth = 64;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Token {
  enum class Kind { kName, kString, kInteger, kOperator, kEnd } kind;
  std::string text;
};

// Reads the expressions inside one tag.
class ExpressionParser {
 public:
  ExpressionParser(const Part& part, const std::string& name) : part_(part), name_(name) {}

  Status lex() {
    const std::string& in = part_.text;
    for (std::size_t at = 0; at < in.size();) {
      const char c = in[at];
      if (is_space(c)) {
        ++at;
      } else if (is_name_start(c)) {
        std::size_t end = at;
        while (end < in.size() && (is_name_start(in[end]) || is_digit(in[end]))) ++end;
        tokens_.push_back({Token::Kind::kName, in.substr(at, end - at)});
        at = end;
      } else if (is_digit(c)) {
        std::size_t end = at;
        while (end < in.size() && is_digit(in[end])) ++end;
        if (end - at > 15 || (end < in.size() && in[end] == '.'))
          return refuse("the number " + in.substr(at, end + 1 - at));
        tokens_.push_back({Token::Kind::kInteger, in.substr(at, end - at)});
        at = end;
      } else if (c == '\'' || c == '"') {
        RERANK_TRY(string(at));
      } else {
        static constexpr std::string_view kOperators[] = {"==", "!=", "<=", ">=", "//", "**", "<", ">", "=",
                                                          "+",  "-",  "*",  "/",  "%",  "~",  "(", ")", "[",
                                                          "]",  "{",  "}",  ",",  ".",  ":",  "|"};
        std::string_view found;
        for (const std::string_view op : kOperators)
          if (found.empty() && std::string_view(in).substr(at, op.size()) == op) found = op;
        if (found.empty()) return corrupt(fmt::format("has the character '{}'", c));
        tokens_.push_back({Token::Kind::kOperator, std::string(found)});
        at += found.size();
      }
    }
    tokens_.push_back({Token::Kind::kEnd, ""});
    return {};
  }

  Result<Expression> expression() {
    RERANK_TRY(enter());
    RERANK_ASSIGN(Expression value, either());
    if (take_name("if")) {
      RERANK_ASSIGN(Expression condition, either());
      Expression other = make(Expression::Kind::kAbsent);
      if (take_name("else")) {
        RERANK_ASSIGN(other, expression());
      }
      value = make(Expression::Kind::kIf, "", {std::move(value), std::move(condition), std::move(other)});
    }
    --depth_;
    return value;
  }

  bool take_name(std::string_view text) { return take(Token::Kind::kName, text); }
  bool take_operator(std::string_view text) { return take(Token::Kind::kOperator, text); }
  std::optional<std::string> any_name() {
    if (peek().kind != Token::Kind::kName) return std::nullopt;
    return tokens_[next_++].text;
  }
  Status end() const {
    if (peek().kind == Token::Kind::kEnd) return {};
    return corrupt(fmt::format("goes on with \"{}\" where it should end", peek().text));
  }
  Error corrupt(std::string what) const {
    return Error{Error::Code::kCorrupt, fmt::format("line {}: \"{}\" {}", part_.line, part_.text, what), name_, ""};
  }
  Error refuse(std::string what) const {
    return Error{Error::Code::kUnsupported,
                 fmt::format("line {}: {} is not supported in \"{}\"", part_.line, what, part_.text), name_,
                 "supported: set, if, for and what the templates of Qwen, Llama, Mistral and Gemma use"};
  }

 private:
  using Kind = Expression::Kind;

  const Token& peek() const { return tokens_[next_]; }
  bool take(Token::Kind kind, std::string_view text) {
    if (peek().kind != kind || peek().text != text) return false;
    ++next_;
    return true;
  }
  Expression make(Kind kind, std::string text = {}, std::vector<Expression> children = {}) const {
    return Expression{kind, std::move(text), std::move(children), part_.line};
  }
  Status enter() {
    if (++depth_ > kMaxDepth) return refuse("nesting this deep");
    return {};
  }
  Status expect(std::string_view op) {
    if (take_operator(op)) return {};
    return corrupt(fmt::format("has \"{}\" where \"{}\" is expected", peek().text, op));
  }

  Status string(std::size_t& at) {
    const std::string& in = part_.text;
    const char quote = in[at++];
    std::string text;
    for (; at < in.size() && in[at] != quote; ++at) {
      if (in[at] != '\\') {
        text += in[at];
        continue;
      }
      if (++at >= in.size()) break;
      switch (in[at]) {
        case 'n':
          text += '\n';
          break;
        case 't':
          text += '\t';
          break;
        case 'r':
          text += '\r';
          break;
        case '\\':
        case '\'':
        case '"':
          text += in[at];
          break;
        default:
          return refuse(fmt::format("the escape \\{}", in[at]));
      }
    }
    if (at >= in.size()) return corrupt("has a string without end");
    ++at;
    tokens_.push_back({Token::Kind::kString, std::move(text)});
    return {};
  }

  Result<Expression> either() {
    RERANK_ASSIGN(Expression left, both());
    while (take_name("or")) {
      RERANK_ASSIGN(Expression right, both());
      left = make(Kind::kOr, "or", {std::move(left), std::move(right)});
    }
    return left;
  }
  Result<Expression> both() {
    RERANK_ASSIGN(Expression left, negation());
    while (take_name("and")) {
      RERANK_ASSIGN(Expression right, negation());
      left = make(Kind::kAnd, "and", {std::move(left), std::move(right)});
    }
    return left;
  }
  Result<Expression> negation() {
    if (!take_name("not")) return comparison();
    RERANK_TRY(enter());
    RERANK_ASSIGN(Expression inner, negation());
    --depth_;
    return make(Kind::kNot, "not", {std::move(inner)});
  }
  // One comparison; a chain such as 0 < x < 3 is refused.
  Result<Expression> comparison() {
    RERANK_ASSIGN(Expression left, sum());
    const std::string op = comparison_operator();
    if (op.empty()) return left;
    RERANK_ASSIGN(Expression right, sum());
    left = make(Kind::kBinary, op, {std::move(left), std::move(right)});
    if (const std::string more = comparison_operator(); !more.empty()) return refuse("a chain of comparisons");
    return left;
  }
  std::string comparison_operator() {
    for (const std::string_view op : {"==", "!=", "<=", ">=", "<", ">"})
      if (take_operator(op)) return std::string(op);
    if (take_name("in")) return "in";
    if (peek().kind == Token::Kind::kName && peek().text == "not" && tokens_[next_ + 1].text == "in") {
      next_ += 2;
      return "not in";
    }
    return "";
  }
  Result<Expression> sum() {
    return binary({"+", "-"}, [this] { return concatenation(); });
  }
  Result<Expression> concatenation() {
    return binary({"~"}, [this] { return product(); });
  }
  Result<Expression> product() {
    return binary({"*", "//", "/", "%"}, [this] { return unary(); });
  }

  template <class Next>
  Result<Expression> binary(std::initializer_list<std::string_view> operators, Next&& next) {
    RERANK_ASSIGN(Expression left, next());
    while (true) {
      std::string_view found;
      for (const std::string_view op : operators)
        if (found.empty() && take_operator(op)) found = op;
      if (found.empty()) return left;
      RERANK_ASSIGN(Expression right, next());
      left = make(Kind::kBinary, std::string(found), {std::move(left), std::move(right)});
    }
  }
  Result<Expression> unary() {
    if (take_operator("-")) {
      RERANK_TRY(enter());
      RERANK_ASSIGN(Expression inner, unary());
      --depth_;
      return make(Kind::kNegate, "-", {std::move(inner)});
    }
    RERANK_ASSIGN(Expression value, primary());
    return postfix(std::move(value));
  }

  Result<Expression> primary() {
    const Token token = peek();
    switch (token.kind) {
      case Token::Kind::kString: {
        std::string text;
        while (peek().kind == Token::Kind::kString) text += tokens_[next_++].text;  // neighbours join, as in Python
        return make(Kind::kString, std::move(text));
      }
      case Token::Kind::kInteger:
        ++next_;
        return make(Kind::kInteger, token.text);
      case Token::Kind::kName:
        ++next_;
        if (token.text == "true" || token.text == "True") return make(Kind::kTrue);
        if (token.text == "false" || token.text == "False") return make(Kind::kFalse);
        if (token.text == "none" || token.text == "None") return make(Kind::kNone);
        return make(Kind::kName, token.text);
      case Token::Kind::kEnd:
        return corrupt("ends where a value is expected");
      case Token::Kind::kOperator:
        break;
    }
    if (take_operator("(")) {
      RERANK_ASSIGN(Expression inner, expression());
      if (peek().text == ",") return refuse("a tuple");
      RERANK_TRY(expect(")"));
      return inner;
    }
    if (take_operator("[")) {
      Expression list = make(Kind::kList);
      while (!take_operator("]")) {
        RERANK_ASSIGN(Expression item, expression());
        list.children.push_back(std::move(item));
        if (take_operator("]")) break;
        RERANK_TRY(expect(","));
      }
      return list;
    }
    return refuse(fmt::format("\"{}\"", token.text));
  }

  Result<Expression> postfix(Expression value) {
    std::size_t length = 0;
    while (true) {
      if (++length > 1000) return refuse("an expression this long");
      if (take_operator(".")) {
        const auto name = any_name();
        if (!name) return corrupt("has a dot without a name behind it");
        value = make(Kind::kAttribute, *name, {std::move(value)});
      } else if (take_operator("[")) {
        RERANK_ASSIGN(value, item(std::move(value)));
      } else if (take_operator("(")) {
        Expression call = make(Kind::kCall, "", {std::move(value)});
        RERANK_TRY(arguments(call));
        value = std::move(call);
      } else if (take_operator("|")) {
        const auto name = any_name();
        if (!name) return corrupt("has a | without a filter behind it");
        Expression filter = make(Kind::kFilter, *name, {std::move(value)});
        if (take_operator("(")) RERANK_TRY(arguments(filter));
        value = std::move(filter);
      } else if (take_name("is")) {
        const bool negated = take_name("not");
        const auto name = any_name();
        if (!name) return corrupt("has an \"is\" without a test behind it");
        Expression test = make(negated ? Kind::kNotTest : Kind::kTest, *name, {std::move(value)});
        if (take_operator("(")) RERANK_TRY(arguments(test));
        value = std::move(test);
      } else {
        return value;
      }
    }
  }
  // What stands between [ and ].
  Result<Expression> item(Expression value) {
    Expression first = make(Kind::kAbsent), last = make(Kind::kAbsent);
    if (peek().text != ":" || peek().kind != Token::Kind::kOperator) {
      RERANK_ASSIGN(first, expression());
    }
    if (take_operator("]")) return make(Kind::kItem, "", {std::move(value), std::move(first)});
    RERANK_TRY(expect(":"));
    if (peek().text != "]" && peek().text != ":") {
      RERANK_ASSIGN(last, expression());
    }
    if (peek().text == ":") return refuse("a slice with a step");
    RERANK_TRY(expect("]"));
    return make(Kind::kSlice, "", {std::move(value), std::move(first), std::move(last)});
  }
  Status arguments(Expression& call) {
    while (!take_operator(")")) {
      if (peek().kind == Token::Kind::kName && tokens_[next_ + 1].text == "=" &&
          tokens_[next_ + 1].kind == Token::Kind::kOperator) {
        Expression keyword = make(Kind::kKeyword, peek().text);
        next_ += 2;
        RERANK_ASSIGN(Expression value, expression());
        keyword.children.push_back(std::move(value));
        call.children.push_back(std::move(keyword));
      } else {
        RERANK_ASSIGN(Expression value, expression());
        call.children.push_back(std::move(value));
      }
      if (take_operator(")")) break;
      RERANK_TRY(expect(","));
    }
    return {};
  }

  const Part& part_;
  const std::string& name_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;
  int depth_ = 0;
};

class Parser {
 public:
  Parser(std::vector<Part> parts, const std::string& name) : parts_(std::move(parts)), name_(name) {}

  Result<std::vector<Statement>> run() {
    std::string stop;
    RERANK_ASSIGN(std::vector<Statement> body, block(stop));
    if (!stop.empty())
      return Error{Error::Code::kCorrupt,
                   fmt::format("line {}: \"{}\" without a beginning", parts_[next_ - 1].line, stop), name_, ""};
    return body;
  }

 private:
  // Statements up to a tag that ends or divides a block; its word is left in `stop`, and next_ is behind it.
  Result<std::vector<Statement>> block(std::string& stop) {
    if (++depth_ > kMaxDepth)
      return Error{Error::Code::kUnsupported, fmt::format("has more than {} nested blocks", kMaxDepth), name_, ""};
    std::vector<Statement> out;
    stop.clear();
    while (next_ < parts_.size()) {
      const Part& part = parts_[next_++];
      Statement statement;
      statement.line = part.line;
      if (part.kind == Part::Kind::kText) {
        statement.text = part.text;
        out.push_back(std::move(statement));
        continue;
      }
      ExpressionParser parser(part, name_);
      RERANK_TRY(parser.lex());
      if (part.kind == Part::Kind::kPrint) {
        statement.kind = Statement::Kind::kPrint;
        RERANK_ASSIGN(statement.expression, parser.expression());
        RERANK_TRY(parser.end());
        out.push_back(std::move(statement));
        continue;
      }
      const std::string word = parser.any_name().value_or("");
      if (word == "else" || word == "elif" || word == "endif" || word == "endfor") {
        stop = word;
        if (word == "elif") {
          RERANK_ASSIGN(condition_, parser.expression());
        }
        RERANK_TRY(parser.end());
        break;
      }
      RERANK_TRY(statement_of(word, parser, statement));
      out.push_back(std::move(statement));
    }
    --depth_;
    return out;
  }

  Status statement_of(const std::string& word, ExpressionParser& parser, Statement& statement) {
    if (word == "set") {
      statement.kind = Statement::Kind::kSet;
      statement.text = parser.any_name().value_or("");
      if (statement.text.empty()) return parser.corrupt("sets nothing");
      if (parser.take_operator(".")) statement.attribute = parser.any_name().value_or("");
      if (!parser.take_operator("=")) return parser.refuse("set without =");
      RERANK_ASSIGN(statement.expression, parser.expression());
      return parser.end();
    }
    if (word == "if") {
      statement.kind = Statement::Kind::kIf;
      RERANK_ASSIGN(statement.expression, parser.expression());
      RERANK_TRY(parser.end());
      return rest_of_if(statement);
    }
    if (word == "for") {
      statement.kind = Statement::Kind::kFor;
      do {
        const auto name = parser.any_name();
        if (!name) return parser.corrupt("has no name to go through");
        statement.names.push_back(*name);
      } while (parser.take_operator(","));
      if (!parser.take_name("in")) return parser.corrupt("has no \"in\"");
      RERANK_ASSIGN(statement.expression, parser.expression());
      if (statement.expression.kind == Expression::Kind::kIf) return parser.refuse("a condition in for");
      RERANK_TRY(parser.end());
      std::string stop;
      RERANK_ASSIGN(statement.body, block(stop));
      if (stop == "else") {
        RERANK_ASSIGN(statement.other, block(stop));
      }
      if (stop != "endfor") return unclosed(statement, "for", stop);
      return {};
    }
    if (word == "break" || word == "continue") {
      statement.kind = word == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
      return parser.end();
    }
    return parser.refuse(fmt::format("the statement \"{}\"", word));
  }

  Status rest_of_if(Statement& statement) {
    std::string stop;
    RERANK_ASSIGN(statement.body, block(stop));
    if (stop == "elif") {
      Statement inner;
      inner.kind = Statement::Kind::kIf;
      inner.line = statement.line;
      inner.expression = std::move(condition_);
      if (++depth_ > kMaxDepth)
        return Error{Error::Code::kUnsupported, fmt::format("has more than {} nested blocks", kMaxDepth), name_, ""};
      RERANK_TRY(rest_of_if(inner));
      --depth_;
      statement.other.push_back(std::move(inner));
      return {};
    }
    if (stop == "else") {
      RERANK_ASSIGN(statement.other, block(stop));
    }
    if (stop != "endif") return unclosed(statement, "if", stop);
    return {};
  }

  Error unclosed(const Statement& statement, std::string_view word, const std::string& stop) const {
    return Error{Error::Code::kCorrupt,
                 fmt::format("the \"{}\" of line {} ends with {}", word, statement.line,
                             stop.empty() ? std::string("the template") : fmt::format("\"{}\"", stop)),
                 name_, ""};
  }

  std::vector<Part> parts_;
  const std::string& name_;
  std::size_t next_ = 0;
  int depth_ = 0;
  Expression condition_;  // of the elif that ended the last block
};

}  // namespace

Result<std::vector<Statement>> parse(std::string_view source, const std::string& name) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {  // "\r\n" and "\r" count as "\n"
    if (source[i] != '\r')
      text += source[i];
    else if (i + 1 >= source.size() || source[i + 1] != '\n')
      text += '\n';
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  RERANK_ASSIGN(std::vector<Part> parts, split(text, name));
  return Parser(std::move(parts), name).run();
}

}  // namespace rerank::tokenizer::jinja
