#include "spool/summary.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "model/utf8.hpp"
#include "spool/coding.hpp"
#include "spool/keys.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr std::uint64_t kFirstVersion = 1;  // without what only searches ask for
constexpr std::uint64_t kVersion = kSummaryFormat;

// Beside the span's status, two bits from the second on.
constexpr std::uint64_t kHasRoot = 1, kStarted = 1U << 3, kDeleted = 1U << 4, kWhole = 1U << 5;
constexpr unsigned kStateShift = 6;
constexpr std::uint8_t kFactIsCut = 0x80;

constexpr std::array<std::string_view, 4> kStates{"", "OK", "ERROR", "IN_PROGRESS"};

std::uint64_t number_of_state(std::string_view state) {
  const auto found = std::ranges::find(kStates, state);
  return found == kStates.end() ? 0 : static_cast<std::uint64_t>(found - kStates.begin());
}

std::string_view state_of(std::uint64_t flags) { return kStates[flags >> kStateShift & 3]; }

std::string_view state_of_root(StatusCode status) { return status == StatusCode::error ? "ERROR" : "OK"; }

// As the server has it: what is said of the same trace later is told after what was said before.
void merge_facts(TraceSummary& into, const TraceSummary& other) {
  const bool earlier = other.first_seq < into.first_seq;
  for (const TraceFact& fact : other.facts) {
    if (into.facts.size() >= kMaxFactsOfTrace) {
      into.whole = false;
      return;
    }
    if (!earlier) into.facts.push_back(fact);
  }
  if (earlier) into.facts.insert(into.facts.begin(), other.facts.begin(), other.facts.end());
}

std::int64_t sum_of_tokens(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

}  // namespace

std::string cut_text(std::string_view text) { return std::string(utf8_prefix(text, kMaxSummaryTextBytes)); }

void add_fact(TraceSummary& summary, TraceFact::Kind kind, std::string_view key, std::string_view value) {
  TraceFact fact{kind, value.size() > kMaxSummaryTextBytes, cut_text(key), cut_text(value)};
  if (std::ranges::find(summary.facts, fact) != summary.facts.end()) return;
  if (summary.facts.size() < kMaxFactsOfTrace) {
    summary.facts.push_back(std::move(fact));
  } else {
    summary.whole = false;
  }
}

void merge(TraceSummary& into, const TraceSummary& other) {
  if (other.has_root && !into.has_root) {  // the root's word counts, whenever it comes
    into.name = other.name;
    into.status = other.status;
    into.has_root = true;
    if (!other.session.empty()) into.session = other.session;
    if (!other.user.empty()) into.user = other.user;
    if (!other.request_id.empty()) into.request_id = other.request_id;
  } else if (other.started && !into.started && !into.has_root) {  // then its trace info's
    if (!other.name.empty()) into.name = other.name;
    into.status = other.status;
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
  fill(into.experiment_id, other.experiment_id);
  fill(into.experiment_name, other.experiment_name);
  if (other.started && (!into.started || other.last_seq > into.last_seq || into.state.empty()))
    into.state = other.state;
  into.started = into.started || other.started;
  into.deleted = into.deleted || other.deleted;
  into.whole = into.whole && other.whole;
  merge_facts(into, other);
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
  into.input_tokens = sum_of_tokens(into.input_tokens, other.input_tokens);
  into.output_tokens = sum_of_tokens(into.output_tokens, other.output_tokens);
}

std::string encode(const TraceSummary& summary) {
  std::string out;
  const std::string_view state =
      !summary.started && summary.has_root ? state_of_root(summary.status) : std::string_view(summary.state);
  std::uint64_t flags = static_cast<std::uint64_t>(summary.status) << 1 |
                        number_of_state(state) << kStateShift | (summary.has_root ? kHasRoot : 0) |
                        (summary.started ? kStarted : 0) | (summary.deleted ? kDeleted : 0) |
                        (summary.whole ? kWhole : 0);
  std::string texts;
  for (const auto* text : {&summary.experiment_id, &summary.experiment_name, &summary.name, &summary.service,
                           &summary.session, &summary.user, &summary.request_id})
    put_string(texts, cut_text(*text));
  for (const TraceFact& fact : summary.facts) {
    if (texts.size() + fact.key.size() + fact.value.size() + 128 > kMaxSummaryBytes) {
      flags &= ~kWhole;
      break;
    }
    texts.push_back(static_cast<char>(static_cast<std::uint8_t>(fact.kind) | (fact.cut ? kFactIsCut : 0U)));
    put_string(texts, fact.key);
    put_string(texts, fact.value);
  }
  put_varint(out, kVersion);
  put_varint(out, static_cast<std::uint64_t>(summary.received_ns));
  put_varint(out, static_cast<std::uint64_t>(summary.start_ns));
  put_varint(out, static_cast<std::uint64_t>(summary.end_ns));
  put_varint(out, flags);
  put_varint(out, summary.spans);
  put_varint(out, static_cast<std::uint64_t>(summary.input_tokens));
  put_varint(out, static_cast<std::uint64_t>(summary.output_tokens));
  return out + texts;
}

namespace {

// The numbers that a value begins with.
std::uint64_t decode_numbers(Decoder& in, TraceSummary& summary) {
  summary.received_ns = static_cast<std::int64_t>(in.varint());
  summary.start_ns = static_cast<std::int64_t>(in.varint());
  summary.end_ns = static_cast<std::int64_t>(in.varint());
  const auto flags = in.varint();
  summary.status = static_cast<StatusCode>(std::min<std::uint64_t>(flags >> 1 & 3, 2));
  summary.has_root = (flags & kHasRoot) != 0;
  summary.spans = static_cast<std::uint32_t>(in.varint());
  summary.input_tokens = static_cast<std::int64_t>(in.varint());
  summary.output_tokens = static_cast<std::int64_t>(in.varint());
  return flags;
}

void decode_facts(Decoder& in, TraceSummary& summary) {
  while (in.ok() && !in.at_end() && summary.facts.size() < kMaxFactsOfTrace) {
    const auto kind = in.raw(1);
    if (kind.empty()) return;
    const auto byte = static_cast<std::uint8_t>(kind.front());
    TraceFact fact;
    fact.kind = static_cast<TraceFact::Kind>(byte & ~kFactIsCut);
    fact.cut = (byte & kFactIsCut) != 0;
    fact.key = in.string();
    fact.value = in.string();
    summary.facts.push_back(std::move(fact));
  }
}

}  // namespace

std::optional<TraceSummary> decode_summary(Seq seq, const TraceId& trace, std::string_view bytes) {
  Decoder in(bytes);
  const auto version = in.varint();
  if (version != kVersion && version != kFirstVersion) return std::nullopt;
  TraceSummary summary;
  summary.trace_id = trace;
  summary.first_seq = summary.last_seq = seq;
  const auto flags = decode_numbers(in, summary);
  summary.whole = (flags & kWhole) != 0;
  if (version == kVersion) {
    summary.started = (flags & kStarted) != 0;
    summary.deleted = (flags & kDeleted) != 0;
    if (summary.started) summary.state = state_of(flags);
    summary.experiment_id = in.string();
    summary.experiment_name = in.string();
  }
  for (auto* text : {&summary.name, &summary.service, &summary.session, &summary.user, &summary.request_id}) {
    *text = in.string();
  }
  if (version == kVersion) decode_facts(in, summary);
  if (!in.ok()) return std::nullopt;
  return summary;
}

std::optional<TraceGlance> glance_at(Seq seq, const TraceId& trace, std::string_view bytes) {
  Decoder in(bytes);
  if (in.varint() != kVersion) return std::nullopt;
  TraceGlance glance;
  glance.seq = seq;
  glance.trace = trace;
  glance.received_ns = static_cast<std::int64_t>(in.varint());
  glance.start_ns = static_cast<std::int64_t>(in.varint());
  in.varint();
  const auto flags = in.varint();
  for (int i = 0; i < 3; ++i) in.varint();
  glance.has_root = (flags & kHasRoot) != 0;
  glance.started = (flags & kStarted) != 0;
  glance.deleted = (flags & kDeleted) != 0;
  glance.whole = (flags & kWhole) != 0;
  glance.state = state_of(flags);
  glance.experiment_id = in.string();
  glance.experiment_name = in.string();
  if (!in.ok()) return std::nullopt;
  glance.texts = bytes.substr(static_cast<std::size_t>(glance.experiment_name.data() - bytes.data()) +
                              glance.experiment_name.size());
  return glance;
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
