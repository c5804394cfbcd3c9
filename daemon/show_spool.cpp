#include "daemon/show_spool.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "daemon/json_fields.hpp"
#include "daemon/quantities.hpp"
#include "model/json_writer.hpp"
#include "model/printable.hpp"
#include "model/utf8.hpp"

namespace spanferry::daemon {
namespace {

constexpr std::size_t kReasonColumns = 100;

std::string time_text(std::int64_t unix_ns) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_ns / 1'000'000'000)));
}

spool::InspectedDead dead_of(const spool::Inspection& inspection, const std::string& destination) {
  const auto it = inspection.dead.find(destination);
  return it == inspection.dead.end() ? spool::InspectedDead{} : it->second;
}

void write_cursor(JsonWriter& json, const spool::Inspection& inspection,
                  const spool::InspectedCursor& cursor) {
  json.begin_object().field("name", cursor.name).field("position", cursor.position);
  json.key("pending")
      .begin_object()
      .field("records", cursor.pending_records)
      .field("spans", cursor.pending_spans)
      .end_object();
  json.key("parked")
      .begin_object()
      .field("records", cursor.parked.records)
      .field("spans", cursor.parked.spans)
      .field("bytes", cursor.parked.bytes)
      .end_object();
  json.field("intervals", cursor.intervals).field("marks", cursor.marks).field("accepted", cursor.accepted);
  for (std::size_t i = 0; i < kOutcomes; ++i)
    json.field(name(static_cast<Outcome>(i)), cursor.counts.by_outcome[i]);
  const auto dead = dead_of(inspection, cursor.name);
  json.key("dead_letters")
      .begin_object()
      .field("letters", dead.letters)
      .field("spans", dead.spans)
      .field("bytes", dead.bytes)
      .end_object()
      .end_object();
}

void write_texts(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key).begin_array();
  for (const auto& text : texts) json.value(repair_utf8(text));
  json.end_array();
}

void write_letter(JsonWriter& json, const spool::DeadLetter& letter) {
  json.field("id", letter.id())
      .field("destination", letter.destination)
      .field("seq", letter.seq)
      .field("trace_id", letter.trace_id.hex())
      .key("span_id");
  letter.span_id.is_zero() ? json.null() : json.value(letter.span_id.hex());
  json.field("spans", letter.spans)
      .field("kind", name(letter.kind))
      .field("received_unix_nano", std::to_string(letter.received_ns))
      .field("refused_unix_nano", std::to_string(letter.refused_ns))
      .field("status", letter.status)
      .field("reason", repair_utf8(letter.reason))
      .field("response_excerpt", repair_utf8(letter.response_excerpt))
      .field("payload_bytes", std::uint64_t{letter.payload.size()});
}

}  // namespace

std::string inspection_text(const spool::Inspection& found) {
  std::string out =
      fmt::format("spool     {}, {} on disk\n", printable(found.directory), bytes_text(found.disk_bytes));
  out += fmt::format("records   {} with {} spans and {} of payload, seq {} to {}\n",
                     count_text(static_cast<std::int64_t>(found.records)),
                     count_text(static_cast<std::int64_t>(found.spans)), bytes_text(found.payload_bytes),
                     found.first_seq, found.last_seq);
  out += fmt::format("ever      {} records, {} spans\n",
                     count_text(static_cast<std::int64_t>(found.appended_records)),
                     count_text(static_cast<std::int64_t>(found.appended_spans)));
  for (const auto& gap : found.gaps)
    out += fmt::format("gap       seq {} to {}: {} records, {} spans\n", gap.first, gap.last, gap.records,
                       gap.spans);
  for (const auto& file : found.quarantine)
    out += fmt::format("kept aside as damaged: {}\n", printable(file));
  for (const auto& directory : found.set_aside)
    out += fmt::format("an older store: {}\n", printable(directory));
  for (const auto& cursor : found.cursors) {
    const auto dead = dead_of(found, cursor.name);
    out += fmt::format(
        "{}: at seq {}, pending {} spans in {} records ({} of them parked), delivered {}, dead letters {}\n",
        printable(cursor.name), cursor.position, count_text(static_cast<std::int64_t>(cursor.pending_spans)),
        count_text(static_cast<std::int64_t>(cursor.pending_records)),
        count_text(static_cast<std::int64_t>(cursor.parked.records)),
        count_text(static_cast<std::int64_t>(cursor.counts[Outcome::delivered])), dead.letters);
  }
  return out;
}

std::string inspection_json(const spool::Inspection& found) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .field("directory", repair_utf8(found.directory))
      .field("first_seq", found.first_seq)
      .field("last_seq", found.last_seq)
      .field("records", found.records)
      .field("spans", found.spans)
      .field("payload_bytes", found.payload_bytes)
      .field("disk_bytes", found.disk_bytes)
      .key("appended")
      .begin_object()
      .field("records", found.appended_records)
      .field("spans", found.appended_spans)
      .end_object()
      .key("gaps")
      .begin_array();
  for (const auto& gap : found.gaps)
    json.begin_object()
        .field("first", gap.first)
        .field("last", gap.last)
        .field("records", gap.records)
        .field("spans", gap.spans)
        .end_object();
  json.end_array().key("destinations").begin_array();
  for (const auto& cursor : found.cursors) write_cursor(json, found, cursor);
  json.end_array();
  write_texts(json, "quarantine", found.quarantine);
  write_texts(json, "set_aside", found.set_aside);
  json.end_object();
  return out;
}

std::string dead_letters_text(const std::vector<spool::DeadLetter>& letters) {
  if (letters.empty()) return "no dead letters\n";
  std::string out;
  for (const auto& letter : letters)
    out +=
        fmt::format("{}  {}  {} span{}  {}{}\n", letter.id(), time_text(letter.refused_ns), letter.spans,
                    letter.spans == 1 ? "" : "s", letter.status == 0 ? "" : fmt::format("{} ", letter.status),
                    printable(repair_utf8(std::string_view(letter.reason).substr(0, kReasonColumns))));
  return out;
}

std::string dead_letters_json(const std::vector<spool::DeadLetter>& letters) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("dead_letters").begin_array();
  for (const auto& letter : letters) {
    json.begin_object();
    write_letter(json, letter);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string dead_letter_text(const spool::DeadLetter& letter) {
  std::string out = fmt::format("dead letter  {}\n", letter.id());
  out += fmt::format("destination  {}\n", printable(letter.destination));
  out += fmt::format("trace        {}\n", letter.trace_id.hex());
  if (!letter.span_id.is_zero()) out += fmt::format("span         {}\n", letter.span_id.hex());
  out += fmt::format("spans        {}\n", letter.spans);
  out += fmt::format("received     {}\nrefused      {}\n", time_text(letter.received_ns),
                     time_text(letter.refused_ns));
  if (letter.status != 0) out += fmt::format("status       {}\n", letter.status);
  out += fmt::format("reason       {}\n", printable(repair_utf8(letter.reason)));
  if (!letter.response_excerpt.empty())
    out += fmt::format("answer       {}\n", printable(repair_utf8(letter.response_excerpt)));
  return out + fmt::format("payload      {} of OTLP; --json prints it as base64\n",
                           bytes_text(letter.payload.size()));
}

std::string dead_letter_json(const spool::DeadLetter& letter) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_letter(json, letter);
  json.field("payload", base64_encode(letter.payload)).end_object();
  return out;
}

}  // namespace spanferry::daemon
