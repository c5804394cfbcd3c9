#include "spool/keys.hpp"

#include <charconv>

#include "spool/coding.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kSeqBytes = 8;
constexpr std::size_t kTraceBytes = TraceId::kSize;

}  // namespace

std::string log_key(Seq seq) {
  std::string key;
  put_u64_be(key, seq);
  return key;
}

std::optional<Seq> parse_log_key(std::string_view key) {
  if (key.size() != kSeqBytes) return std::nullopt;
  return get_u64_be(key.data());
}

std::string index_key(const TraceId& trace, Seq seq) {
  std::string key(trace.raw());
  put_u64_be(key, seq);
  return key;
}

std::optional<Seq> parse_index_key(std::string_view key, const TraceId& trace) {
  if (key.size() != kTraceBytes + kSeqBytes || !key.starts_with(trace.raw())) return std::nullopt;
  return get_u64_be(key.data() + kTraceBytes);
}

std::string summary_key(Seq seq, const TraceId& trace) {
  std::string key = log_key(seq);
  key.append(trace.raw());
  return key;
}

std::optional<SeqAndTrace> parse_summary_key(std::string_view key) {
  if (key.size() != kSeqBytes + kTraceBytes) return std::nullopt;
  return SeqAndTrace{get_u64_be(key.data()), *TraceId::from_raw(key.substr(kSeqBytes))};
}

std::string view_cursor_key() { return log_key(0); }

std::string cursor_key(std::string_view name) { return std::string(kCursorPrefix).append(name); }

std::string mark_prefix(std::string_view name) {
  std::string key = std::string(kMarkPrefix).append(name);
  key.push_back('\0');
  return key;
}

std::string mark_key(std::string_view name, Seq seq, const TraceId& trace) {
  std::string key = mark_prefix(name);
  put_u64_be(key, seq);
  key.append(trace.raw());
  return key;
}

std::optional<Mark> parse_mark_key(std::string_view key) {
  constexpr std::size_t kTail = 1 + kSeqBytes + kTraceBytes;
  if (!key.starts_with(kMarkPrefix) || key.size() < kMarkPrefix.size() + kTail) return std::nullopt;
  const std::size_t end_of_name = key.size() - kTail;
  if (key[end_of_name] != '\0') return std::nullopt;
  return Mark{.cursor = key.substr(kMarkPrefix.size(), end_of_name - kMarkPrefix.size()),
              .seq = get_u64_be(key.data() + end_of_name + 1),
              .trace = *TraceId::from_raw(key.substr(key.size() - kTraceBytes))};
}

std::string put_key(std::string_view key) { return std::string(kPutPrefix).append(key); }

std::string dead_prefix(std::string_view destination) {
  std::string key(destination);
  key.push_back('\0');
  return key;
}

std::string dead_key(std::string_view destination, Seq seq, const TraceId& trace, const SpanId& span) {
  std::string key = dead_prefix(destination);
  put_u64_be(key, seq);
  key.append(trace.raw()).append(span.raw());
  return key;
}

std::optional<std::string> dead_key_of_id(std::string_view id) {
  const auto take_last = [&id]() {
    const auto slash = id.rfind('/');
    if (slash == std::string_view::npos) return std::string_view{};
    const auto part = id.substr(slash + 1);
    id = id.substr(0, slash);
    return part;
  };
  const auto span = SpanId::from_hex(take_last());
  const auto trace = TraceId::from_hex(take_last());
  const auto digits = take_last();
  Seq seq = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seq);
  if (!span || !trace || digits.empty() || error != std::errc{} || end != digits.data() + digits.size() ||
      id.empty()) {
    return std::nullopt;
  }
  return dead_key(id, seq, *trace, *span);
}

std::string parked_prefix(std::string_view cursor, const TraceId* trace) {
  std::string key(cursor);
  key.push_back('\0');
  if (trace != nullptr) key.append(trace->raw());
  return key;
}

std::string parked_key(std::string_view cursor, const ParkedKey& key) {
  std::string bytes = parked_prefix(cursor, &key.trace);
  put_u64_be(bytes, key.seq);
  bytes.append(key.span.raw());
  return bytes;
}

ParkedKey parse_parked_key(std::string_view key) {
  constexpr std::size_t kTail = kTraceBytes + kSeqBytes + SpanId::kSize;
  if (key.size() < kTail) return {};
  key.remove_prefix(key.size() - kTail);
  return {*TraceId::from_raw(key.substr(0, kTraceBytes)), get_u64_be(key.data() + kTraceBytes),
          *SpanId::from_raw(key.substr(kTraceBytes + kSeqBytes))};
}

std::optional<std::string> dead_range(std::string_view which) {
  if (which.empty()) return std::string();
  return which.contains('/') ? dead_key_of_id(which) : dead_prefix(which);  // a name has no slash
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace spanferry::spool
