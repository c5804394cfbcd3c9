#include "model/mlflow_trace.hpp"

#include <algorithm>
#include <unordered_map>

#include "model/json_writer.hpp"
#include "model/mlflow_text.hpp"

namespace spanferry::mlflow {
namespace {

constexpr std::size_t kMaxMetadata = 250;  // characters, of a key and of a value
constexpr std::uint64_t kNsPerMs = 1'000'000;

void put(std::map<std::string, std::string>& metadata, std::string_view key, std::string_view value) {
  metadata.insert_or_assign(std::string(key), std::string(cut_characters(value, kMaxMetadata)));
}

State state_of(const StoredSpan* top) {
  if (top == nullptr) return State::in_progress;
  return top->status == StatusCode::error ? State::error : State::ok;
}

void set_times(TraceInfo& info, const Trace& trace, Flavor flavor) {
  if (trace.spans.empty()) return;
  std::uint64_t start = UINT64_MAX;
  std::uint64_t end = 0;
  for (const StoredSpan& s : trace.spans) {
    start = std::min(start, s.start_ns);
    end = std::max(end, s.end_ns);
  }
  if (const StoredSpan* root = trace.root(); root != nullptr && flavor == Flavor::databricks) {
    start = root->start_ns;
    if (root->end_ns != 0) end = root->end_ns;
  }
  end = std::max(end, start);
  info.request_time_ms = static_cast<std::int64_t>(start / kNsPerMs);
  // The server takes the difference of what it rounded down, the client rounds down the difference.
  const std::uint64_t ms =
      flavor == Flavor::open_source ? end / kNsPerMs - start / kNsPerMs : (end - start) / kNsPerMs;
  info.execution_duration_ms = static_cast<std::int64_t>(ms);
}

// Linear between the two nearest, then rounded down: as MLflow's client computes its percentiles.
std::uint64_t percentile(const std::vector<std::size_t>& sorted, double p) {
  const double index = p * static_cast<double>(sorted.size() - 1);
  const auto lower = static_cast<std::size_t>(index);
  if (lower + 1 >= sorted.size()) return sorted.back();
  const double weight = index - static_cast<double>(lower);
  return static_cast<std::uint64_t>(static_cast<double>(sorted[lower]) * (1 - weight) +
                                    static_cast<double>(sorted[lower + 1]) * weight);
}

}  // namespace

std::string_view name(State state) {
  switch (state) {
    case State::ok:
      return "OK";
    case State::error:
      return "ERROR";
    case State::in_progress:
      break;
  }
  return "IN_PROGRESS";
}

State state_named(std::string_view name) {
  if (name == "OK") return State::ok;
  return name == "ERROR" ? State::error : State::in_progress;
}

const StoredSpan* Trace::root() const {
  const auto it = std::ranges::find_if(spans, [](const StoredSpan& s) { return !s.parent_id; });
  return it != spans.end() ? &*it : nullptr;
}

const StoredSpan* Trace::top() const {
  if (const StoredSpan* span = root()) return span;
  const auto it = std::ranges::find_if(spans, [](const StoredSpan& s) { return s.parent_is_remote; });
  return it != spans.end() ? &*it : nullptr;
}

void merge_spans(std::vector<StoredSpan>& spans, std::vector<StoredSpan> more) {
  std::unordered_map<SpanId, std::size_t> place;
  place.reserve(spans.size() + more.size());
  for (std::size_t i = 0; i < spans.size(); ++i) place.emplace(spans[i].span_id, i);
  for (StoredSpan& span : more) {
    const auto [it, fresh] = place.emplace(span.span_id, spans.size());
    if (fresh) {
      spans.push_back(std::move(span));
    } else if (StoredSpan& have = spans[it->second]; span.end_ns != 0 || have.end_ns == 0) {
      have = std::move(span);
    }
  }
}

TraceInfo trace_info(const Trace& trace, Flavor flavor, const Defaults& defaults) {
  const StoredSpan* top = trace.top();
  Context context = context_of(trace.spans, top, trace.resource, defaults);
  TraceInfo info;
  info.trace_id = trace_name_of(trace.id);
  info.client_request_id = std::move(context.client_request_id);
  info.state = state_of(top);
  set_times(info, trace, flavor);
  info.tags = std::move(context.tags);
  put(info.metadata, "mlflow.trace_schema.version", "3");
  if (context.session) put(info.metadata, "mlflow.trace.session", *context.session);
  if (context.user) put(info.metadata, "mlflow.trace.user", *context.user);
  if (const auto usage = token_usage_of(trace.spans)) put(info.metadata, "mlflow.trace.tokenUsage", *usage);
  if (const auto cost = cost_of(trace.spans)) put(info.metadata, "mlflow.trace.cost", *cost);
  if (top == nullptr) return info;
  const std::string trace_name = context.name.value_or(top->name);
  if (!trace_name.empty()) info.tags.insert_or_assign("mlflow.traceName", trace_name);
  if (const std::string* inputs = top->find(attribute::kInputs)) {
    put(info.metadata, "mlflow.traceInputs", *inputs);
    info.request_preview = preview(*inputs, "user", flavor);
  }
  if (const std::string* outputs = top->find(attribute::kOutputs)) {
    put(info.metadata, "mlflow.traceOutputs", *outputs);
    info.response_preview = preview(*outputs, "assistant", flavor);
  }
  return info;
}

std::optional<TraceInfo> needs_start_trace(const Trace& trace, const Defaults& defaults) {
  TraceInfo info = trace_info(trace, Flavor::open_source, defaults);
  const StoredSpan* root = trace.root();
  info.state = state_of(root);
  const Context known = context_derived_by_server(trace.spans, root, trace.resource);
  std::erase_if(info.tags, [&known](const auto& tag) {
    if (tag.first == "mlflow.traceName") return known.name.has_value();
    const auto it = known.tags.find(tag.first);
    return it != known.tags.end() && it->second == tag.second;
  });
  std::erase_if(info.metadata, [&known](const auto& entry) {
    if (entry.first == "mlflow.trace.session") return known.session == entry.second;
    if (entry.first == "mlflow.trace.user") return known.user == entry.second;
    return true;
  });
  info.request_preview.reset();
  info.response_preview.reset();
  if (!info.client_request_id && info.tags.empty() && info.metadata.empty()) return std::nullopt;
  return info;
}

void add_size_stats(TraceInfo& info, std::vector<std::size_t> span_sizes, std::size_t file_bytes) {
  if (span_sizes.empty()) return;
  std::ranges::sort(span_sizes);
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  writer.field("total_size_bytes", static_cast<std::uint64_t>(file_bytes));
  writer.field("num_spans", static_cast<std::uint64_t>(span_sizes.size()));
  writer.field("max", static_cast<std::uint64_t>(span_sizes.back()));
  writer.field("p25", percentile(span_sizes, 0.25));
  writer.field("p50", percentile(span_sizes, 0.50));
  writer.field("p75", percentile(span_sizes, 0.75));
  writer.end_object();
  put(info.metadata, "mlflow.trace.sizeStats", spaced_json(out));
  put(info.metadata, "mlflow.trace.sizeBytes", std::to_string(file_bytes));
}

}  // namespace spanferry::mlflow
