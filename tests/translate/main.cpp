// What the encoder for experiment storage makes of spans, for comparison with MLflow's own translators, and
// the table of what it maps, for the documentation.
// usage: spanferry-translate <REQUEST           an OTLP ExportTraceServiceRequest; prints the span file
//        spanferry-translate --traces <REQUEST  prints the StartTrace body of each of its traces, one a line
//        spanferry-translate --table            prints the table of docs/conventions.md
#include <cstdio>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "model/mlflow_conventions.hpp"
#include "model/mlflow_json.hpp"
#include "model/mlflow_trace.hpp"
#include "model/otlp_span.hpp"

namespace {

using namespace spanferry;

std::string listed(mlflow::Names names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "`" : ", `") + std::string(name) + '`';
  return out.empty() ? "–" : out;
}

void print_row(std::string_view what, const std::string& names) {
  if (names != "–") std::cout << "| " << what << " | " << names << " |\n";
}

void print_convention(const mlflow::Convention& c) {
  std::cout << "### " << c.name << "\n\nDefined in: " << c.source << ".\n\n| MLflow | from |\n|---|---|\n";
  std::string types;
  for (const mlflow::TypeName& t : c.types)
    types += (types.empty() ? "" : ", ") + std::string(t.from) + " → " + std::string(t.to);
  if (!types.empty()) print_row("span type", '`' + std::string(c.type_name) + "`: " + types);
  print_row("inputs", listed(c.inputs));
  print_row("outputs", listed(c.outputs));
  print_row("input tokens", listed(c.tokens.input));
  print_row("output tokens", listed(c.tokens.output));
  print_row("total tokens", listed(c.tokens.total));
  print_row("tokens read from a cache", listed(c.tokens.cache_read));
  print_row("tokens written to a cache", listed(c.tokens.cache_creation));
  print_row("model", listed(c.models));
  print_row("provider", listed(c.providers));
  print_row("tools", listed(c.tools));
  if (!c.message_format.empty()) print_row("message format", '`' + std::string(c.message_format) + '`');
  if (!c.notes.empty()) std::cout << "\nAnd: " << c.notes << ".\n";
  std::cout << '\n';
}

void print_spans(const DecodedRequest& request) {
  std::vector<mlflow::StoredSpan> spans;
  for (const Span& span : request.spans) spans.push_back(mlflow::stored_span(span));
  std::cout << mlflow::spans_file(spans).body << '\n';
}

void print_traces(const DecodedRequest& request) {
  std::map<std::string, mlflow::Trace> traces;
  for (const Span& span : request.spans) {
    mlflow::Trace& trace = traces[span.trace_id.hex()];
    trace.id = span.trace_id;
    trace.spans.push_back(mlflow::stored_span(span));
  }
  for (const auto& [id, trace] : traces) {
    const mlflow::TraceInfo info = mlflow::trace_info(trace, mlflow::Flavor::databricks, {});
    std::cout << mlflow::start_trace_body(info, "1", mlflow::WithTags::yes) << '\n';
  }
}

int print(void (*what)(const DecodedRequest&)) {
  const std::string request{std::istreambuf_iterator<char>(std::cin), {}};
  const auto decoded = decode_traces_request(request);
  if (!decoded) {
    std::cerr << "spanferry-translate: " << decoded.error().sentence << '\n';
    return 1;
  }
  what(*decoded);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view option = argc == 2 ? argv[1] : "";
  if (argc == 1) return print(print_spans);
  if (option == "--traces") return print(print_traces);
  if (option != "--table") {
    std::cerr << "usage: spanferry-translate [--traces | --table] <REQUEST\n";
    return 2;
  }
  for (const mlflow::Convention& c : mlflow::conventions()) print_convention(c);
  return 0;
}
