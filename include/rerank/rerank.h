// Everything that a user of the library needs.
#pragma once

#include "rerank/engine.h"
#include "rerank/error.h"
#include "rerank/generate.h"
#include "rerank/options.h"
#include "rerank/quantize.h"
