// What the search of the MLflow API makes of filters, for comparison with MLflow's own
// (tests/e2e/test_search_language.py). Reads a file of traces, each line a TraceInfo, a tab and the span
// file, and on standard input searches, each line {"filter", "order_by"}. Prints for each `refused`, or `ok`
// and the ids that match, in order. usage: spanferry-search TRACES <SEARCHES
#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "ingest/mlflow_api/search_match.hpp"
#include "model/mlflow_json.hpp"

namespace {

using namespace spanferry;
using namespace spanferry::ingest;

std::vector<LocalTrace> read_traces(const char* path) {
  std::vector<LocalTrace> traces;
  std::ifstream file(path);
  const mlflow::Defaults none;
  for (std::string line; std::getline(file, line);) {
    const auto tab = line.find('\t');
    const auto info = mlflow::parse_written_info(std::string_view(line).substr(0, tab));
    auto spans = mlflow::parse_spans_file(std::string_view(line).substr(tab + 1));
    if (!info || !spans) continue;
    TraceFold fold(info->trace, mlflow::Flavor::open_source, none);
    if (fold.begin_with(std::string_view(line).substr(0, tab), *std::move(spans)))
      traces.push_back(fold.finish());
  }
  return traces;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto traces = read_traces(argv[1]);
  for (std::string line; std::getline(std::cin, line);) {
    const auto asked = JsonObject::parse(line, "the line");
    if (!asked) return 1;
    std::vector<std::string> order_by;
    for (const auto& json : asked->list("order_by"))
      order_by.push_back(JsonObject::parse("{\"a\":" + json + "}", "")->text("a").value_or(""));
    auto filter = parse_search_filter(asked->text("filter").value_or(""));
    const auto order = parse_search_order(order_by);
    if (!filter || !order) {
      std::cout << "refused\n";
      continue;
    }
    const SearchMatcher matcher(*std::move(filter));
    std::vector<std::pair<SearchPlace, std::string>> found;
    for (const auto& trace : traces)
      if (matcher.matches(trace))
        found.emplace_back(SearchPlace(*order, trace, trace.info.experiment_id),
                           mlflow::trace_name_of(trace.id));
    std::ranges::sort(found, [](const auto& a, const auto& b) { return a.first.before(b.first); });
    std::cout << "ok";
    for (const auto& [place, id] : found) std::cout << ' ' << id;
    std::cout << '\n';
  }
  return 0;
}
