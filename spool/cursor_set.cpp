#include "spool/cursor_set.hpp"

namespace spanferry::spool {

CursorImpl* CursorSet::add(std::unique_ptr<CursorImpl> cursor) {
  const std::scoped_lock lock(mutex_);
  auto& place = cursors_[cursor->name()];
  if (!place) place = std::move(cursor);
  return place.get();
}

CursorImpl* CursorSet::find(const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = cursors_.find(name);
  return found == cursors_.end() ? nullptr : found->second.get();
}

CursorImpl* CursorSet::keeper_of(const std::string& destination, RecordKind kind) const {
  const bool is_spans = kind == RecordKind::spans || kind == RecordKind::trace_data;
  auto* second = is_spans ? nullptr : find(destination + "#info");
  return second != nullptr ? second : find(destination);
}

std::vector<CursorImpl*> CursorSet::all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<CursorImpl*> cursors;
  for (const auto& [name, cursor] : cursors_)
    if (!cursor->forgotten()) cursors.push_back(cursor.get());
  return cursors;
}

std::vector<CursorImpl*> CursorSet::active() const {
  auto cursors = all();
  std::erase_if(cursors, [](const CursorImpl* cursor) { return !cursor->active(); });
  return cursors;
}

std::optional<Boundary> CursorSet::slowest() const {
  std::optional<Boundary> slowest;
  const bool grace = std::chrono::steady_clock::now() < grace_ends_;
  bool any_active = false;
  for (const auto* cursor : all()) {
    any_active = any_active || cursor->active();
    if (!cursor->active() && !grace) continue;
    const Boundary at = cursor->durable_position();
    if (!slowest || at.seq < slowest->seq) slowest = at;
  }
  return any_active ? slowest : std::nullopt;
}

std::uint64_t CursorSet::dead_letters() const {
  std::uint64_t total = 0;
  for (const auto* cursor : all()) total += cursor->dead().letters;
  return total;
}

std::uint64_t CursorSet::parked_bytes() const {
  std::uint64_t total = 0;
  for (const auto* cursor : all()) total += cursor->parked().bytes;
  return total;
}

std::uint64_t CursorSet::dead_letter_bytes() const {
  std::uint64_t total = 0;
  for (const auto* cursor : all()) total += cursor->dead().bytes;
  return total;
}

}  // namespace spanferry::spool
