#pragma once

#include <nanobind/nanobind.h>

namespace rerank::python {

void bind_engine(nanobind::module_& m);

}  // namespace rerank::python
