#include "ingest/mlflow_api/local_trace.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "model/mlflow_json.hpp"
#include "model/mlflow_table.hpp"
#include "model/otlp_span.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {
namespace {

// Of a started trace: what the server finds in the spans where the trace info does not say it (CONTRACT 1.2).
constexpr std::array<std::string_view, 4> kFoundInSpans{"mlflow.trace.tokenUsage", "mlflow.trace.cost",
                                                        "mlflow.trace.session", "mlflow.trace.user"};

// A time or text that is not said now was not said before either: StartTrace is no patch; only previews,
// tags and metadata stay.
void replace_info(mlflow::WrittenInfo& into, mlflow::WrittenInfo info) {
  if (!info.request_preview) info.request_preview = std::move(into.request_preview);
  if (!info.response_preview) info.response_preview = std::move(into.response_preview);
  info.tags.merge(into.tags);
  info.metadata.merge(into.metadata);
  into = std::move(info);
}

}  // namespace

TraceFold::TraceFold(const TraceId& id, mlflow::Flavor flavor, const mlflow::Defaults& context, SpanForm form)
    : flavor_(flavor), form_(form), context_(context) {
  trace_.id = id;
  trace_.info.trace = id;
}

Result<> TraceFold::begin_with(std::string_view trace_info, std::vector<mlflow::StoredSpan> spans) {
  auto info = mlflow::parse_written_info(trace_info);
  if (!info) return std::unexpected(std::move(info.error()));
  take_info(*std::move(info));
  file_ = std::move(spans);
  return {};
}

void TraceFold::add(const Record& record) {
  switch (record.header.kind) {
    case RecordKind::trace_info:
      return add_info(record);
    case RecordKind::spans:
      return add_spans(record);
    case RecordKind::trace_data:
      if (record.header.only_trace != trace_.id) return;
      if (auto spans = mlflow::parse_spans_file(*record.payload)) {
        // The file is replaced as a whole; what the far side has and it does not came by OTLP.
        mlflow::merge_spans(file_, *std::move(spans));
        if (trace_.route.is_default()) trace_.route = record.header.route;
      }
      return;
    case RecordKind::trace_edit:
      return add_edit(record);
    case RecordKind::trace_delete:
      trace_.deleted = trace_.deleted || record.header.only_trace == trace_.id;
      return;
    case RecordKind::experiment_edit:
    case RecordKind::artifact:
      return;
  }
}

void TraceFold::add_info(const Record& record) {
  auto info = mlflow::parse_written_info(*record.payload);
  if (!info || info->trace != trace_.id) return;
  trace_.route = record.header.route;
  take_info(*std::move(info));
}

void TraceFold::take_info(mlflow::WrittenInfo info) {
  trace_.started = true;
  for (const std::string& json : std::exchange(info.assessments, {}))
    if (const auto assessment = JsonObject::parse(json, "the assessment"))
      trace_.assessments.put(in_snake_case(*assessment));
  replace_info(trace_.info, std::move(info));
}

void TraceFold::add_spans(const Record& record) {
  const auto request = decode_traces_request(*record.payload, &trace_.id);
  if (!request || request->spans.empty()) return;
  std::vector<mlflow::StoredSpan> spans;
  spans.reserve(request->spans.size());
  for (const Span& span : request->spans) {
    spans.push_back(form_ == SpanForm::of_rows ? mlflow::span_of_row(span) : mlflow::stored_span(span));
    add_resource(request->resources[span.resource], !span.parent_id);
  }
  mlflow::merge_spans(otlp_, std::move(spans));
  if (!trace_.started && trace_.route.is_default()) trace_.route = record.header.route;
}

// The first one's attributes; where they differ, those of the first root.
void TraceFold::add_resource(const Resource& resource, bool of_root) {
  const bool replace = of_root && !has_root_;
  has_root_ = has_root_ || of_root;
  for (const Attribute& a : resource.attributes) {
    if (replace) {
      resource_.insert_or_assign(std::string(a.key), mlflow::stored_json(a.value));
    } else if (!resource_.contains(std::string(a.key))) {
      resource_.emplace(a.key, mlflow::stored_json(a.value));
    }
  }
}

void TraceFold::add_edit(const Record& record) {
  if (record.header.only_trace != trace_.id) return;
  const auto edit = mlflow::parse_trace_edit(*record.payload);
  if (!edit) return;
  if (const auto* tag = std::get_if<mlflow::SetTag>(&*edit)) {
    edited_tags_.insert_or_assign(tag->key, tag->value);
  } else if (const auto* assessment = std::get_if<mlflow::EditAssessment>(&*edit)) {
    trace_.assessments.apply(*assessment);
  } else if (const auto* link = std::get_if<mlflow::LinkToRun>(&*edit)) {
    if (std::ranges::find(trace_.runs, link->run_id) == trace_.runs.end())
      trace_.runs.push_back(link->run_id);
  }
}

// What is known from the spans alone, where nobody said otherwise.
void TraceFold::derive(bool by_otlp) {
  mlflow::Trace whole{trace_.id, std::move(trace_.spans), {}};
  for (const auto& [key, json] : resource_) whole.resource.push_back({key, json});
  auto& info = trace_.info;
  auto found = mlflow::trace_info(whole, flavor_, trace_.started ? mlflow::Defaults{} : context_);
  if (trace_.started) {
    for (const std::string_view key : kFoundInSpans)
      if (const auto it = found.metadata.find(std::string(key)); it != found.metadata.end())
        info.metadata.insert(*it);
    if (flavor_ == mlflow::Flavor::open_source && by_otlp) {
      auto tags = mlflow::context_derived_by_server(whole.spans, whole.root(), whole.resource).tags;
      info.tags.merge(tags);
      if (!info.request_preview) info.request_preview = std::move(found.request_preview);
      if (!info.response_preview) info.response_preview = std::move(found.response_preview);
    }
  } else {
    info.client_request_id = std::move(found.client_request_id);
    info.request_preview = std::move(found.request_preview);
    info.response_preview = std::move(found.response_preview);
    info.request_time_ms = found.request_time_ms;
    info.execution_duration_ms = found.execution_duration_ms;
    info.state = name(found.state);
    info.metadata = std::move(found.metadata);
    info.tags = std::move(found.tags);
  }
  trace_.spans = std::move(whole.spans);
}

LocalTrace TraceFold::finish() {
  trace_.spans = std::move(file_);
  const bool by_otlp = !otlp_.empty();
  mlflow::merge_spans(trace_.spans, std::move(otlp_));
  std::ranges::sort(trace_.spans, {}, [](const mlflow::StoredSpan& span) {
    return std::tuple(span.start_ns, span.parent_id.has_value(), span.span_id);
  });
  trace_.has_spans = !trace_.spans.empty();
  if (trace_.info.experiment_id.empty()) trace_.info.experiment_id = trace_.route.experiment_id;
  if (trace_.has_spans && (by_otlp || !trace_.started)) derive(by_otlp);
  for (auto& [key, value] : edited_tags_) {
    if (value) {
      trace_.info.tags.insert_or_assign(key, *std::move(value));
    } else {
      trace_.info.tags.erase(key);
    }
  }
  return std::move(trace_);
}

Result<std::vector<Record>> records_of_trace(spool::Spool& spool, const TraceId& id, std::size_t max_bytes) {
  const auto seqs = spool.records_of(id);
  if (!seqs) return std::unexpected(seqs.error());
  std::vector<Record> records;
  std::size_t bytes = 0;
  for (const Seq seq : *seqs) {
    auto record = spool.get(seq);
    if (!record && record.error().kind == ErrorKind::damaged) continue;
    if (!record) return std::unexpected(std::move(record.error()));
    if (!*record) continue;
    bytes += (*record)->payload->size();
    if (bytes > max_bytes && !records.empty()) break;
    records.push_back(**std::move(record));
  }
  return records;
}

Result<std::optional<LocalTrace>> local_trace(spool::Spool& spool, const TraceId& id, mlflow::Flavor flavor,
                                              const mlflow::Defaults& context) {
  const auto records = records_of_trace(spool, id);
  if (!records) return std::unexpected(records.error());
  if (records->empty()) return std::nullopt;
  TraceFold fold(id, flavor, context);
  for (const Record& record : *records) fold.add(record);
  return fold.finish();
}

}  // namespace spanferry::ingest
