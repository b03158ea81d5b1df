#include "texts.h"

#include <string>

#include "errors.h"

namespace nb = nanobind;

namespace rerank::python {
namespace {

[[noreturn]] void raise_wrong_type(nb::handle item, const std::string& where, const char* expected) {
  raise_as("WrongTypeError",
           {Error::Code::kBadInput, std::string("is ") + nb::type_name(item.type()).c_str() + ", expected " + expected,
            where, ""});
}

// A list or tuple as it is, any other sequence (a numpy array, a pandas column) as a list of its items.
nb::object as_list(nb::handle items, const std::string& where) {
  if (PyList_Check(items.ptr()) || PyTuple_Check(items.ptr())) return nb::borrow(items);
  if (PyUnicode_Check(items.ptr()) || PyBytes_Check(items.ptr()) || PySequence_Check(items.ptr()) == 0)
    raise_wrong_type(items, where, "a sequence");
  nb::object list = nb::steal(PySequence_List(items.ptr()));
  if (!list.is_valid()) throw nb::python_error();
  return list;
}

std::size_t size_of(nb::handle list) {
  return static_cast<std::size_t>(PyList_Check(list.ptr()) ? PyList_Size(list.ptr()) : PyTuple_Size(list.ptr()));
}

nb::object item_of(nb::handle list, std::size_t idx) {
  const auto at = static_cast<Py_ssize_t>(idx);
  PyObject* item = PyList_Check(list.ptr()) ? PyList_GetItem(list.ptr(), at) : PyTuple_GetItem(list.ptr(), at);
  if (item == nullptr) throw nb::python_error();  // the list became shorter meanwhile
  return nb::borrow(item);
}

}  // namespace

std::string_view Texts::borrow(nb::handle text, std::size_t pair_idx, const char* role) {
  const auto where = [&] { return "pair " + std::to_string(pair_idx) + ", " + role; };
  if (!PyUnicode_Check(text.ptr())) raise_wrong_type(text, where(), "str");
  Py_ssize_t bytes = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text.ptr(), &bytes);
  if (utf8 == nullptr) {
    PyErr_Clear();
    raise({Error::Code::kBadInput, "has half of a surrogate pair, which is no text", where(),
           "text.encode('utf-8', 'replace').decode() makes it one"});
  }
  held_.push_back(nb::borrow(text));
  return {utf8, static_cast<std::size_t>(bytes)};
}

Texts Texts::of_pairs(nb::handle pairs) {
  const nb::object list = as_list(pairs, "pairs");
  const std::size_t count = size_of(list);
  Texts texts;
  texts.held_.reserve(2 * count);
  texts.pairs_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const nb::object pair = as_list(item_of(list, i), "pair " + std::to_string(i));
    if (size_of(pair) != 2)
      raise_as(
          size_of(pair) < 2 ? "TooShortError" : "BadInputError",
          {Error::Code::kBadInput, "has " + std::to_string(size_of(pair)) + " texts, expected a query and a passage",
           "pair " + std::to_string(i), ""});
    const std::string_view query = texts.borrow(item_of(pair, 0), i, "query");
    texts.pairs_.push_back({query, texts.borrow(item_of(pair, 1), i, "passage")});
  }
  return texts;
}

Texts Texts::of_passages(nb::handle query, nb::handle passages) {
  const nb::object list = as_list(passages, "passages");
  const std::size_t count = size_of(list);
  Texts texts;
  texts.held_.reserve(count + 1);
  texts.pairs_.reserve(count);
  const std::string_view asked = texts.borrow(query, 0, "query");
  for (std::size_t i = 0; i < count; ++i) texts.pairs_.push_back({asked, texts.borrow(item_of(list, i), i, "passage")});
  return texts;
}

}  // namespace rerank::python
