// Prints every measure of every judged query, for compare_ir_measures.py: QUERY<TAB>MEASURE<TAB>VALUE, and then the
// means with an empty query. Arguments: QRELS RUN MEASURES.
#include <cstdio>

#include "evaluation/measures.h"

namespace ev = rerank::evaluation;

namespace {

int fail(const rerank::Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return fail({rerank::Error::Code::kBadInput, "expected the arguments QRELS RUN MEASURES", "", ""});
  const auto qrels = ev::read_qrels(argv[1]);
  if (!qrels.ok()) return fail(qrels.error());
  const auto run = ev::read_run(argv[2]);
  if (!run.ok()) return fail(run.error());
  const auto measures = ev::parse_measures(argv[3]);
  if (!measures.ok()) return fail(measures.error());
  const ev::Evaluation evaluation = ev::evaluate(qrels.value(), run.value(), measures.value());
  const auto print = [&](const std::string& query_id, const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      std::printf("%s\t%s\t%.17g\n", query_id.c_str(), measures.value()[i].name.c_str(), values[i]);
  };
  for (const ev::QueryValues& query : evaluation.queries) print(query.query_id, query.values);
  print("", evaluation.means);
  return 0;
}
