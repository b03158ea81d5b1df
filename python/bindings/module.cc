// rerank_cpp._engine: the engine for the Python classes of the package, which is what users see.
#include <nanobind/nanobind.h>

#include "engine.h"
#include "options.h"

NB_MODULE(_engine, m) {
  m.doc() = "rerank::Engine. The classes of rerank_cpp stand on it; use those.";
  rerank::python::bind_options(m);
  rerank::python::bind_engine(m);
}
