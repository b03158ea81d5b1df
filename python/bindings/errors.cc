#include "errors.h"

#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace rerank::python {
namespace {

const char* name_of(Error::Code code) {
  switch (code) {
    case Error::Code::kBadInput:
      return "BadInputError";
    case Error::Code::kNotFound:
      return "ModelNotFoundError";
    case Error::Code::kCorrupt:
      return "CorruptModelError";
    case Error::Code::kUnsupported:
      return "UnsupportedError";
    case Error::Code::kOutOfMemory:
      return "OutOfMemoryError";
    case Error::Code::kIo:
      return "SystemCallError";
    case Error::Code::kInternal:
      break;
  }
  return "RerankError";
}

}  // namespace

void raise(const Error& error) {
  raise_as(name_of(error.code), error);
}

void raise_as(const char* type_name, const Error& error) {
  // Looked up when needed: the module has to be importable without its package, by the program that writes its types.
  const nb::object type = nb::module_::import_("rerank_cpp.errors").attr(type_name);
  const nb::object exception = type(error.what.c_str(), error.where.c_str(), error.fix.c_str());
  PyErr_SetObject(type.ptr(), exception.ptr());
  throw nb::python_error();
}

}  // namespace rerank::python
