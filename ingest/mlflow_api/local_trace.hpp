// One trace as the records of the spool tell it: trace info, spans, span file, edits and deletion, folded in
// the order they came. Where a far side has the trace too, its word comes first: what is here is what came
// last, so putting it on top of what the far side has gives the whole, whatever was delivered already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/mlflow_api/assessment_book.hpp"
#include "model/mlflow_trace.hpp"
#include "model/mlflow_write.hpp"
#include "model/record.hpp"
#include "model/result.hpp"

namespace spanferry::spool {
class Spool;
}

namespace spanferry::ingest {

struct LocalTrace {
  TraceId id;
  bool deleted = false;  // nothing comes back after that (docs/delivery.md)
  bool started = false;  // somebody sent its trace info: nothing but what the server finds in spans is added
  bool has_spans = false;
  Route route;                            // of the trace info, else of the first spans
  mlflow::WrittenInfo info;               // tags and metadata as edits left them; its `assessments` is empty
  std::vector<mlflow::StoredSpan> spans;  // one a span id, by start; the OTLP copy wins
  AssessmentBook assessments;
  std::vector<std::string> runs;  // it was linked to

  [[nodiscard]] bool exists() const { return !deleted && (started || has_spans); }
};

// As what a reader takes them: experiment storage or a server, or rows of a Unity Catalog table.
enum class SpanForm : std::uint8_t { stored, of_rows };

// Folds records of one trace. Not for more than one thread.
class TraceFold {
 public:
  // `context` fills what plain OpenTelemetry leaves open, as delivery does; `flavor` says as whose server.
  TraceFold(const TraceId& id, mlflow::Flavor flavor, const mlflow::Defaults& context,
            SpanForm form = SpanForm::stored);
  TraceFold(const TraceId& id, mlflow::Flavor flavor, const mlflow::Defaults&& context,
            SpanForm form = SpanForm::stored) = delete;  // `context` is not copied

  // What a far side has: a TraceInfo object and its spans. Before any record. Errors: invalid_input.
  Result<> begin_with(std::string_view trace_info, std::vector<mlflow::StoredSpan> spans);
  // In order of seq. Records of other traces, and those that cannot be read, change nothing.
  void add(const Record& record);
  LocalTrace finish();

 private:
  void add_info(const Record& record);
  void add_spans(const Record& record);
  void add_edit(const Record& record);
  void take_info(mlflow::WrittenInfo info);
  void add_resource(const Resource& resource, bool of_root);
  void derive(bool by_otlp);

  const mlflow::Flavor flavor_;
  const SpanForm form_;
  const mlflow::Defaults& context_;
  LocalTrace trace_;
  std::vector<mlflow::StoredSpan> otlp_, file_;
  std::map<std::string, std::string> resource_;
  bool has_root_ = false;
  std::map<std::string, std::optional<std::string>> edited_tags_;
};

// The records the spool still has of a trace, the oldest first, as far as `max_bytes` of payload go.
Result<std::vector<Record>> records_of_trace(spool::Spool& spool, const TraceId& id,
                                             std::size_t max_bytes = 64U << 20);
// What they come to; nothing if there are none.
Result<std::optional<LocalTrace>> local_trace(spool::Spool& spool, const TraceId& id, mlflow::Flavor flavor,
                                              const mlflow::Defaults& context);

}  // namespace spanferry::ingest
