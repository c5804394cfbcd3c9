#include "uploader/gathered_trace.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/mlflow_json.hpp"
#include "model/mlflow_start_trace.hpp"
#include "uploader/trace_headings.hpp"

namespace spanferry::uploader {
namespace {

mlflow::JsonAttributes as_list(std::map<std::string, std::string> merged) {
  mlflow::JsonAttributes list;
  list.reserve(merged.size());
  for (auto& [key, json] : merged) list.push_back({key, std::move(json)});
  return list;
}

}  // namespace

bool GatheredTrace::settled() const {
  return std::ranges::all_of(parts, [](const TracePart& part) { return part.settled; });
}

bool GatheredTrace::uploaded() const {
  // What is parked was never sent, however old it is.
  const bool any_parked =
      std::ranges::any_of(parts, [](const TracePart& part) { return part.parked.has_value(); });
  return mark && !any_parked && parts.back().seq <= mark->last && trace.spans.size() <= mark->spans;
}

bool GatheredTrace::has_news() const {
  const bool is_less = mark && trace.spans.size() > mark->spans;
  return std::ranges::any_of(parts, [&](const TracePart& part) {
    if (part.settled || !part.unreadable.empty()) return false;
    if (part.header.kind == RecordKind::trace_info) return !done(part);
    return part.holds_spans() && (is_less || !done(part));
  });
}

TraceGathering::TraceGathering(const TraceId& trace, std::optional<TraceMark> mark) {
  gathered_.trace.id = trace;
  gathered_.mark = mark;
}

TracePart& TraceGathering::add(TracePart part) {
  const bool says_when = part.holds_spans() || part.header.kind == RecordKind::trace_info;
  if (says_when && !part.settled)
    gathered_.last_received_ns = std::max(gathered_.last_received_ns, part.header.received_ns);
  if (part.holds_spans() && !first_route_) first_route_ = part.header.route;
  return gathered_.parts.emplace_back(std::move(part));
}

void TraceGathering::merge(std::vector<mlflow::StoredSpan>& into, std::vector<mlflow::StoredSpan> spans,
                           const TracePart& part) {
  const std::optional<TraceMark>& mark = gathered_.mark;
  for (const mlflow::StoredSpan& span : spans) {
    gathered_.bytes += span.size_bytes();
    if (mark && part.seq <= mark->last && !part.parked) up_to_mark_.insert(span.span_id);
  }
  mlflow::merge_spans(into, std::move(spans));
  if (gathered_.bytes <= kMaxTraceBytes) return;
  too_large_ = true;
  gathered_.trace.spans.clear();
  from_files_.clear();
}

void TraceGathering::add_resource(const Resource& resource, bool is_of_root) {
  for (const Attribute& a : resource.attributes)
    if (!resource_.contains(std::string(a.key))) resource_.emplace(a.key, mlflow::stored_json(a.value));
  if (!is_of_root || has_root_resource_) return;
  has_root_resource_ = true;
  for (const Attribute& a : resource.attributes)
    root_resource_.insert_or_assign(std::string(a.key), mlflow::stored_json(a.value));
}

void TraceGathering::add(TracePart added, const DecodedRequest& request,
                         std::span<const std::uint32_t> of_trace) {
  const TracePart& part = add(std::move(added));
  if (too_large_) return;
  const bool is_plain = !sender_tells_itself(part.header);
  std::vector<mlflow::StoredSpan> spans;
  spans.reserve(of_trace.size());
  const Resource* last_resource = nullptr;
  for (const std::uint32_t i : of_trace) {
    const Span& span = request.spans[i];
    spans.push_back(mlflow::stored_span(span));
    plain_top_ended_ |= is_plain && span.end_ns != 0 && (!span.parent_id || span.parent_is_remote);
    const Resource& from = request.resources[span.resource];
    const bool is_root = !span.parent_id.has_value();
    if (is_root && !has_root_resource_) gathered_.route = part.header.route;
    if (&from != last_resource || is_root) add_resource(from, is_root);
    last_resource = &from;
  }
  merge(gathered_.trace.spans, std::move(spans), part);
}

void TraceGathering::add(TracePart added, const std::shared_ptr<const std::string>& payload) {
  TracePart& part = add(std::move(added));
  switch (part.header.kind) {
    case RecordKind::trace_info:
      return add_info(part, *payload);
    case RecordKind::trace_data:
      return add_file(part, payload);
    case RecordKind::trace_edit:
      return add_edit(part, *payload);
    case RecordKind::trace_delete:
      gathered_.writes.deleted = true;
      return;
    case RecordKind::artifact:
      if (!part.settled) gathered_.writes.artifacts.push_back(gathered_.parts.size() - 1);
      return;
    case RecordKind::spans:
    case RecordKind::experiment_edit:
      return;
  }
}

void TraceGathering::add_file(TracePart& part, const std::shared_ptr<const std::string>& payload) {
  if (too_large_) return;
  auto spans = mlflow::parse_spans_file(*payload);
  if (!spans) {
    part.unreadable = spans.error().sentence;
    return;
  }
  ++files_;
  file_ = payload;
  std::erase_if(*spans, [this](const mlflow::StoredSpan& s) { return s.trace_id != gathered_.trace.id; });
  merge(from_files_, *std::move(spans), part);
}

void TraceGathering::add_info(TracePart& part, const std::string& payload) {
  auto info = mlflow::parse_written_info(payload);
  if (!info) {
    part.unreadable = info.error().sentence;
    return;
  }
  TraceWrites& writes = gathered_.writes;
  writes.info_is_new |= !gathered_.done(part);
  if (info->experiment_id.empty()) info->experiment_id = part.header.route.experiment_id;
  if (writes.info) {
    mlflow::merge_written_info(*writes.info, *std::move(info));
  } else {
    writes.info = *std::move(info);
  }
  gathered_.bytes += payload.size();
}

void TraceGathering::add_edit(TracePart& part, const std::string& payload) {
  auto edit = mlflow::parse_trace_edit(payload);
  if (!edit) {
    part.unreadable = edit.error().sentence;
    return;
  }
  gathered_.bytes += payload.size();
  gathered_.writes.edits.push_back({gathered_.parts.size() - 1, *std::move(edit)});
}

// Nothing above what is here will come, or what is here does not ask for it.
bool TraceGathering::is_closed() const {
  const std::optional<TraceMark>& mark = gathered_.mark;
  return plain_top_ended_ || gathered_.writes.info || gathered_.writes.deleted ||
         (mark && (mark->has_root || mark->info_sent || mark->deleted)) ||
         std::ranges::none_of(gathered_.parts,
                              [](const TracePart& p) { return !p.settled && p.holds_spans(); });
}

Result<std::optional<GatheredTrace>> TraceGathering::finish(std::vector<TracePart>* parts) {
  if (gathered_.parts.empty()) return std::nullopt;
  if (too_large_) {
    *parts = std::move(gathered_.parts);
    return fail(
        ErrorKind::too_large,
        fmt::format("the trace takes more than {} MiB; it cannot be sent as one file", kMaxTraceBytes >> 20));
  }
  if (files_ == 1 && gathered_.trace.spans.empty()) gathered_.writes.only_file = std::move(file_);
  // Of a span that came both ways the copy by OTLP counts.
  mlflow::merge_spans(from_files_, std::move(gathered_.trace.spans));
  gathered_.trace.spans = std::move(from_files_);
  if (!has_root_resource_) gathered_.route = first_route_.value_or(gathered_.parts.front().header.route);
  if (const auto& info = gathered_.writes.info; info && !info->experiment_id.empty())
    gathered_.route = {info->experiment_id, {}, {}};
  for (auto& [key, json] : root_resource_) resource_.insert_or_assign(key, std::move(json));
  gathered_.trace.resource = as_list(std::move(resource_));
  gathered_.spans_of_mark = up_to_mark_.size();
  gathered_.top_ended = is_closed();
  if (gathered_.writes.deleted || (gathered_.mark && gathered_.mark->deleted)) gathered_.last_received_ns = 0;
  return std::move(gathered_);
}

}  // namespace spanferry::uploader
