#include "uploader/trace_marks.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "spool/limits.hpp"

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

// A list is one word: `l` and the distance of each seq to the one before, `a` the same with the span where it
// is not the whole part, `r` and spans.
void add_list(std::string& text, char list, std::vector<AsidePart> parts) {
  if (parts.empty()) return;
  std::ranges::sort(parts);
  text += fmt::format(" {}", list);
  Seq before = 0;
  for (const AsidePart& part : parts) {
    text += fmt::format("{}", part.seq - std::exchange(before, part.seq));
    text += part.span.is_zero() ? "," : fmt::format(":{},", part.span.hex());
  }
}

std::string encode(const TraceMark& mark) {
  const std::uint64_t flags = (mark.has_root ? kRoot : 0U) | (mark.info_sent ? kInfoSent : 0U) |
                              (mark.edited ? kEdited : 0U) | (mark.deleted ? kDeleted : 0U);
  std::string text = fmt::format("{} {} {}", mark.spans, mark.last, flags);
  std::vector<AsidePart> left_out;
  for (const Seq seq : mark.left_out) left_out.push_back({seq, SpanId{}});
  add_list(text, 'l', std::move(left_out));
  add_list(text, 'a', mark.aside);
  if (!mark.refused.empty()) text += " r";
  for (const SpanId& span : mark.refused) text += span.hex() + ",";
  return text;
}

// Lists that are longer than the spool keeps: what went is forgotten, so that it goes again. Never what did
// not.
std::string encode_what_fits(TraceMark mark) {
  std::string text = encode(mark);
  if (text.size() <= spool::kMaxPutValueBytes) return text;
  mark.last = 0;
  mark.left_out.clear();
  mark.aside.clear();
  mark.refused.clear();
  return encode(mark);
}

std::optional<SpanId> take_span(std::string_view& text) {
  const auto span = SpanId::from_hex(text.substr(0, 2 * SpanId::kSize));
  if (span) text.remove_prefix(2 * SpanId::kSize);
  return span;
}

// One of the lists; what is not understood is of an earlier version.
void take_list(std::string_view word, TraceMark& mark) {
  if (word.empty()) return;
  const char list = word.front();
  word.remove_prefix(1);
  for (Seq seq = 0; !word.empty(); word.remove_prefix(1)) {
    if (list == 'r') {
      const auto span = take_span(word);
      if (!span || !word.starts_with(',')) return;
      mark.refused.push_back(*span);
      continue;
    }
    const auto distance = list == 'l' || list == 'a' ? take_number(word) : std::nullopt;
    if (!distance) return;
    seq += *distance;
    std::optional<SpanId> span = SpanId{};
    if (word.starts_with(':')) {
      word.remove_prefix(1);
      span = take_span(word);
    }
    if (!span || !word.starts_with(',')) return;
    if (list == 'l') {
      mark.left_out.push_back(seq);
    } else {
      mark.aside.push_back({seq, *span});
    }
  }
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
    take_list(text.substr(0, end), mark);
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
  spool_.put(marks_ + trace.hex(), encode_what_fits(mark), std::move(done));
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
