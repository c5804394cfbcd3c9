#include "uploader/assessment_ids.hpp"

#include <charconv>

namespace spanferry::uploader {
namespace {

constexpr std::size_t kMaxIdBytes = 512;

std::string joined(const std::string& prefix, std::string_view id) { return prefix + std::string(id); }

}  // namespace

AssessmentIds::AssessmentIds(spool::Spool& spool, const std::string& destination, std::uint64_t max_ids)
    : spool_(spool),
      ours_("assessment/" + destination + "/"),
      theirs_("assessment-there/" + destination + "/"),
      ring_("assessment-ring/" + destination + "/"),
      count_("assessment-count/" + destination),
      max_ids_(max_ids) {}

// Empty: there is none, or it cannot be read.
std::string AssessmentIds::value_of(const std::string& key) const {
  auto value = spool_.load(key);
  return value && *value ? **std::move(value) : std::string();
}

std::string AssessmentIds::id_there(std::string_view id) const {
  if (id.size() > kMaxIdBytes) return std::string(id);
  std::string there = value_of(joined(ours_, id));
  return there.empty() ? std::string(id) : there;
}

void AssessmentIds::keep(std::string_view id, const std::string& there) {
  if (id.size() > kMaxIdBytes || there.size() > kMaxIdBytes || there.empty()) return;
  const std::string known = value_of(joined(ours_, id));
  if (known == there) return;
  if (known.empty()) {
    make_room(id);
  } else {
    forget_there(id, known);
  }
  spool_.put(joined(ours_, id), there);
  spool_.put(joined(theirs_, there), std::string(id));
}

bool AssessmentIds::is_anothers(std::string_view there, std::string_view id) const {
  if (there.size() > kMaxIdBytes) return false;
  const std::string ours = value_of(joined(theirs_, there));
  return !ours.empty() && ours != id;
}

// The count is read anew: others of this destination count too.
void AssessmentIds::make_room(std::string_view id) {
  const std::string text = value_of(count_);
  std::uint64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string slot = ring_ + std::to_string(count % max_ids_);
  if (const std::string oldest = value_of(slot); !oldest.empty()) {
    forget_there(oldest, value_of(joined(ours_, oldest)));
    spool_.erase(joined(ours_, oldest));
  }
  spool_.put(slot, std::string(id));
  spool_.put(count_, std::to_string(count + 1));
}

// Unless it is another's by now.
void AssessmentIds::forget_there(std::string_view id, const std::string& there) {
  if (value_of(joined(theirs_, there)) == id) spool_.erase(joined(theirs_, there));
}

}  // namespace spanferry::uploader
