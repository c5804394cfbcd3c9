#include "spool/summary.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "spool/coding.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr std::uint64_t kSummaryVersion = 1;

// In order of preference; the first that is present counts.
constexpr std::array<std::string_view, 4> kSessionKeys{
    "mlflow.trace.session", "session.id", "gen_ai.conversation.id", "http.request.header.x-session-id"};
constexpr std::array<std::string_view, 4> kUserKeys{"mlflow.trace.user", "user.id", "enduser.id",
                                                    "http.request.header.x-user-id"};
constexpr std::array<std::string_view, 3> kRequestKeys{"mlflow.trace.client_request_id", "client_request_id",
                                                       "http.request.header.x-request-id"};
constexpr std::array<std::string_view, 2> kInputTokenKeys{"gen_ai.usage.input_tokens",
                                                          "gen_ai.usage.prompt_tokens"};
constexpr std::array<std::string_view, 2> kOutputTokenKeys{"gen_ai.usage.output_tokens",
                                                           "gen_ai.usage.completion_tokens"};

// At most kMaxSummaryTextBytes, never cut inside a character.
std::string cut(std::string_view text) {
  std::size_t n = std::min(text.size(), kMaxSummaryTextBytes);
  while (n > 0 && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
  return std::string(text.substr(0, n));
}

// Attributes of a span in its encodings: a string may be a JSON string, as the MLflow SDK writes it.
std::string text_of(const Attributes& attributes, std::span<const std::string_view> keys) {
  for (const auto key : keys) {
    const Attribute* found = find(attributes, key);
    if (found == nullptr) continue;
    auto text = found->value.string();
    if (!text || text->empty()) continue;
    if (text->size() >= 2 && text->front() == '"' && text->back() == '"')
      text = text->substr(1, text->size() - 2);
    return cut(*text);
  }
  return {};
}

std::int64_t number_of(const Attributes& attributes, std::span<const std::string_view> keys) {
  for (const auto key : keys) {
    const Attribute* found = find(attributes, key);
    if (found == nullptr) continue;
    const auto value = found->value.decode();
    if (const auto* n = std::get_if<std::int64_t>(&value)) return *n;
    if (const auto* d = std::get_if<double>(&value); d != nullptr && *d >= 0 && *d < 9e15) {
      return static_cast<std::int64_t>(*d);
    }
  }
  return 0;
}

std::int64_t clamp_ns(std::uint64_t ns) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(ns, INT64_MAX));
}

TraceSummary summary_of(const Span& span, const DecodedRequest& request) {
  TraceSummary summary;
  summary.trace_id = span.trace_id;
  summary.has_root = !span.parent_id.has_value();
  summary.name = cut(span.name);
  if (span.resource < request.resources.size()) {
    static constexpr std::array<std::string_view, 1> kService{"service.name"};
    summary.service = text_of(request.resources[span.resource].attributes, kService);
  }
  if (summary.has_root || span.status == StatusCode::error) summary.status = span.status;
  summary.session = text_of(span.attributes, kSessionKeys);
  summary.user = text_of(span.attributes, kUserKeys);
  summary.request_id = text_of(span.attributes, kRequestKeys);
  summary.start_ns = clamp_ns(span.start_ns);
  summary.end_ns = clamp_ns(span.end_ns);
  summary.spans = 1;
  summary.input_tokens = number_of(span.attributes, kInputTokenKeys);
  summary.output_tokens = number_of(span.attributes, kOutputTokenKeys);
  return summary;
}

}  // namespace

void merge(TraceSummary& into, const TraceSummary& other) {
  if (other.has_root && !into.has_root) {  // the root's word counts, whenever it comes
    into.name = other.name;
    into.status = other.status;
    into.has_root = true;
    if (!other.session.empty()) into.session = other.session;
    if (!other.user.empty()) into.user = other.user;
    if (!other.request_id.empty()) into.request_id = other.request_id;
  } else if (!into.has_root && into.status == StatusCode::unset) {
    into.status = other.status;
  }
  const auto fill = [](std::string& text, const std::string& from) {
    if (text.empty()) text = from;
  };
  fill(into.name, other.name);
  fill(into.service, other.service);
  fill(into.session, other.session);
  fill(into.user, other.user);
  fill(into.request_id, other.request_id);
  if (other.start_ns != 0 && (into.start_ns == 0 || other.start_ns < into.start_ns))
    into.start_ns = other.start_ns;
  into.end_ns = std::max(into.end_ns, other.end_ns);
  if (into.received_ns == 0 || (other.received_ns != 0 && other.received_ns < into.received_ns)) {
    into.received_ns = other.received_ns;
  }
  if (other.first_seq != 0 && (into.first_seq == 0 || other.first_seq < into.first_seq))
    into.first_seq = other.first_seq;
  into.last_seq = std::max(into.last_seq, other.last_seq);
  into.spans += other.spans;
  into.input_tokens += other.input_tokens;
  into.output_tokens += other.output_tokens;
}

std::vector<TraceSummary> summarize(const Record& record) {
  std::vector<TraceSummary> summaries;
  if (record.header.kind != RecordKind::spans) return summaries;
  const auto request = decode_traces_request(*record.payload);
  if (!request) return summaries;
  std::unordered_map<TraceId, std::size_t> place;
  for (const auto& span : request->spans) {
    TraceSummary one = summary_of(span, *request);
    one.first_seq = one.last_seq = record.seq;
    one.received_ns = record.header.received_ns;
    const auto [it, inserted] = place.try_emplace(span.trace_id, summaries.size());
    if (inserted) {
      summaries.push_back(std::move(one));
    } else {
      merge(summaries[it->second], one);
    }
  }
  return summaries;
}

std::string encode(const TraceSummary& summary) {
  std::string out;
  put_varint(out, kSummaryVersion);
  put_varint(out, static_cast<std::uint64_t>(summary.received_ns));
  put_varint(out, static_cast<std::uint64_t>(summary.start_ns));
  put_varint(out, static_cast<std::uint64_t>(summary.end_ns));
  put_varint(out, static_cast<std::uint64_t>(summary.status) << 1 | (summary.has_root ? 1U : 0U));
  put_varint(out, summary.spans);
  put_varint(out, static_cast<std::uint64_t>(summary.input_tokens));
  put_varint(out, static_cast<std::uint64_t>(summary.output_tokens));
  for (const auto* text :
       {&summary.name, &summary.service, &summary.session, &summary.user, &summary.request_id}) {
    put_string(out, cut(*text));
  }
  return out;
}

std::optional<TraceSummary> decode_summary(Seq seq, const TraceId& trace, std::string_view bytes) {
  Decoder in(bytes);
  if (in.varint() != kSummaryVersion) return std::nullopt;
  TraceSummary summary;
  summary.trace_id = trace;
  summary.first_seq = summary.last_seq = seq;
  summary.received_ns = static_cast<std::int64_t>(in.varint());
  summary.start_ns = static_cast<std::int64_t>(in.varint());
  summary.end_ns = static_cast<std::int64_t>(in.varint());
  const auto flags = in.varint();
  summary.status = static_cast<StatusCode>(std::min<std::uint64_t>(flags >> 1, 2));
  summary.has_root = (flags & 1) != 0;
  summary.spans = static_cast<std::uint32_t>(in.varint());
  summary.input_tokens = static_cast<std::int64_t>(in.varint());
  summary.output_tokens = static_cast<std::int64_t>(in.varint());
  for (auto* text : {&summary.name, &summary.service, &summary.session, &summary.user, &summary.request_id}) {
    *text = in.string();
  }
  if (!in.ok()) return std::nullopt;
  return summary;
}

std::optional<Seq> first_summary_since(Store& store, std::int64_t received_ns) {
  const std::unique_ptr<rocksdb::Iterator> it(
      store.db().NewIterator(rocksdb::ReadOptions(), store.family(Family::traces)));
  const auto place_at = [&it](Seq seq) -> std::optional<std::pair<Seq, std::int64_t>> {
    for (it->Seek(log_key(seq)); it->Valid(); it->Next()) {
      const auto place = parse_summary_key(view(it->key()));
      const auto summary = place ? decode_summary(place->seq, place->trace, view(it->value())) : std::nullopt;
      if (summary) return std::pair{place->seq, summary->received_ns};
    }
    return std::nullopt;
  };
  it->SeekToLast();
  const auto last = it->Valid() ? parse_summary_key(view(it->key())) : std::nullopt;
  const auto first = place_at(1);
  if (!last || !first) return std::nullopt;
  if (first->second >= received_ns) return first->first;
  Seq old = first->first;
  Seq young = last->seq + 1;
  while (old + 1 < young) {  // received times rise with the seqs
    const Seq middle = old + (young - old) / 2;
    const auto place = place_at(middle);
    (place && place->second < received_ns ? old : young) = middle;
  }
  return young;
}

}  // namespace spanferry::spool
