// Templates as trees: what jinja_syntax.cc reads and jinja_render.cc runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank::tokenizer::jinja {

struct Expression {
  enum class Kind {
    kString,
    kInteger,
    kTrue,
    kFalse,
    kNone,       // text: the value
    kName,       // text
    kList,       // children: items
    kAttribute,  // child 0 . text
    kItem,       // child 0 [ child 1 ]
    kSlice,      // child 0 [ child 1 : child 2 ]; kAbsent where left out
    kAbsent,
    kCall,     // child 0 ( other children ); a child of kKeyword names its argument
    kKeyword,  // text = child 0
    kFilter,   // child 0 | text ( other children )
    kTest,
    kNotTest,  // child 0 is text ( other children )
    kNot,
    kNegate,  // child 0
    kAnd,
    kOr,
    kBinary,  // text: the operator; children 0 and 1
    kIf       // child 0 if child 1 else child 2
  };
  Kind kind = Kind::kNone;
  std::string text;
  std::vector<Expression> children;
  std::size_t line = 0;
};

struct Statement {
  enum class Kind {
    kText,   // text
    kPrint,  // expression
    kSet,    // text = expression; with `attribute`, text.attribute = expression
    kIf,     // expression, body, other
    kFor,    // names in expression, body; other when there is nothing to go through
    kBreak,
    kContinue
  };
  Kind kind = Kind::kText;
  std::string text, attribute;
  std::vector<std::string> names;
  Expression expression;
  std::vector<Statement> body, other;
  std::size_t line = 0;
};

// kCorrupt with the line for malformed templates, kUnsupported for statements such as macro or import.
Result<std::vector<Statement>> parse(std::string_view source, const std::string& name);

}  // namespace rerank::tokenizer::jinja
