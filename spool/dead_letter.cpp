#include "spool/dead_letter.hpp"

#include <spdlog/fmt/fmt.h>

#include "spool/coding.hpp"

namespace spanferry::spool {
namespace {

constexpr std::uint64_t kDeadLetterVersion = 1;

}  // namespace

std::string DeadLetter::id() const {
  return fmt::format("{}/{}/{}/{}", destination, seq, trace_id.hex(), span_id.hex());
}

std::string encode(const DeadLetter& letter) {
  std::string out;
  put_varint(out, kDeadLetterVersion);
  put_string(out, letter.destination);
  put_varint(out, letter.seq);
  out.append(letter.trace_id.raw()).append(letter.span_id.raw());
  put_varint(out, letter.spans);
  put_varint(out, static_cast<std::uint64_t>(letter.kind));
  put_string(out, letter.route.experiment_id);
  put_string(out, letter.route.experiment_name);
  put_string(out, letter.route.table);
  put_varint(out, static_cast<std::uint64_t>(letter.received_ns));
  put_varint(out, static_cast<std::uint64_t>(letter.refused_ns));
  put_varint(out, static_cast<std::uint64_t>(letter.status));
  put_string(out, letter.reason);
  put_string(out, std::string_view(letter.response_excerpt).substr(0, kMaxResponseExcerptBytes));
  put_string(out, letter.payload);
  return out;
}

Result<DeadLetter> decode_dead_letter(std::string_view bytes) {
  Decoder in(bytes);
  if (const auto version = in.varint(); in.ok() && version != kDeadLetterVersion) {
    return fail(ErrorKind::unsupported,
                fmt::format("a dead letter of format {}, written by a newer version", version));
  }
  DeadLetter letter;
  letter.destination = in.string();
  letter.seq = in.varint();
  const auto trace = TraceId::from_raw(in.raw(TraceId::kSize));
  const auto span = SpanId::from_raw(in.raw(SpanId::kSize));
  if (trace) letter.trace_id = *trace;
  if (span) letter.span_id = *span;
  letter.spans = static_cast<std::uint32_t>(in.varint());
  letter.kind = static_cast<RecordKind>(in.varint());
  letter.route.experiment_id = in.string();
  letter.route.experiment_name = in.string();
  letter.route.table = in.string();
  letter.received_ns = static_cast<std::int64_t>(in.varint());
  letter.refused_ns = static_cast<std::int64_t>(in.varint());
  letter.status = static_cast<int>(in.varint());
  letter.reason = in.string();
  letter.response_excerpt = in.string();
  letter.payload = in.string();
  if (!in.ok() || !in.at_end())
    return fail(ErrorKind::damaged, "a dead letter is cut or has bytes left over");
  return letter;
}

}  // namespace spanferry::spool
