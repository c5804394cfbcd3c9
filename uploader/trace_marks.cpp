#include "uploader/trace_marks.hpp"

#include <charconv>

#include <fmt/format.h>

namespace spanferry::uploader {
namespace {

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return value;
}

// Flags; marks of earlier versions have none but the root.
enum : std::uint64_t { kRoot = 1, kInfoSent = 2, kEdited = 4, kDeleted = 8 };

std::string encode(const TraceMark& mark) {
  const std::uint64_t flags = (mark.has_root ? kRoot : 0U) | (mark.info_sent ? kInfoSent : 0U) |
                              (mark.edited ? kEdited : 0U) | (mark.deleted ? kDeleted : 0U);
  std::string text = fmt::format("{} {} {}", mark.spans, mark.last, flags);
  for (const Seq seq : mark.left_out) text += fmt::format(" l{}", seq);
  for (const AsidePart& part : mark.aside) text += fmt::format(" a{}:{}", part.seq, part.span.hex());
  for (const SpanId& span : mark.refused) text += fmt::format(" r{}", span.hex());
  return text;
}

// One of the lists' entries; what is not understood is of an earlier version.
void take_entry(std::string_view entry, TraceMark& mark) {
  if (entry.empty()) return;
  const char list = entry.front();
  entry.remove_prefix(1);
  if (list == 'r') {
    if (const auto span = SpanId::from_hex(entry)) mark.refused.push_back(*span);
    return;
  }
  const auto seq = list == 'l' || list == 'a' ? take_number(entry) : std::nullopt;
  if (!seq) return;
  if (list == 'l') mark.left_out.push_back(*seq);
  if (list == 'l' || !entry.starts_with(':')) return;
  if (const auto span = SpanId::from_hex(entry.substr(1))) mark.aside.push_back({*seq, *span});
}

// A mark that cannot be read is none: the far side is asked then.
std::optional<TraceMark> decode(std::string_view text) {
  const auto spans = take_number(text), last = take_number(text), flags = take_number(text);
  if (!spans || !last || !flags) return std::nullopt;
  TraceMark mark{.spans = *spans,
                 .last = *last,
                 .has_root = (*flags & kRoot) != 0,
                 .info_sent = (*flags & kInfoSent) != 0,
                 .edited = (*flags & kEdited) != 0,
                 .deleted = (*flags & kDeleted) != 0};
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    take_entry(text.substr(0, end), mark);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return mark;
}

}  // namespace

TraceMarks::TraceMarks(spool::Spool& spool, const std::string& reader, std::uint64_t max_marks)
    : spool_(spool),
      marks_("up/" + reader + "/"),
      ring_("up-ring/" + reader + "/"),
      count_("up-count/" + reader),
      max_marks_(max_marks) {}

Result<std::optional<TraceMark>> TraceMarks::load(const TraceId& trace) {
  const auto value = spool_.load(marks_ + trace.hex());
  if (!value) return std::unexpected(value.error());
  return *value ? decode(**value) : std::nullopt;
}

void TraceMarks::put(const TraceId& trace, const TraceMark& mark,
                     std::move_only_function<void(Result<>)> done) {
  const auto known = load(trace);
  if (known && !*known) make_room(trace);
  spool_.put(marks_ + trace.hex(), encode(mark), std::move(done));
}

void TraceMarks::make_room(const TraceId& trace) {
  if (!next_) {
    const auto count = spool_.load(count_);
    std::string_view text = count && *count ? std::string_view(**count) : std::string_view("0");
    next_ = take_number(text).value_or(0);
  }
  const std::string slot = ring_ + std::to_string(*next_ % max_marks_);
  if (const auto old = spool_.load(slot); old && *old) spool_.erase(marks_ + **old);
  spool_.put(slot, trace.hex());
  spool_.put(count_, std::to_string(++*next_));
}

}  // namespace spanferry::uploader
