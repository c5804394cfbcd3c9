#include "uploader/assessment_ids.hpp"

#include <fmt/format.h>

namespace spanferry::uploader {
namespace {

constexpr std::size_t kMaxIdBytes = 128;

}  // namespace

std::string AssessmentIds::key_of(std::string_view id) const {
  return fmt::format("assessment/{}/{}", destination_, id);
}

std::string AssessmentIds::key_there(std::string_view there) const {
  return fmt::format("assessment-there/{}/{}", destination_, there);
}

std::string AssessmentIds::id_there(std::string_view id) const {
  if (id.size() > kMaxIdBytes) return std::string(id);
  const auto there = spool_.load(key_of(id));
  return there && *there ? **there : std::string(id);
}

void AssessmentIds::keep(std::string_view id, const std::string& there) {
  spool_.put(key_of(id), there);
  if (there.size() <= kMaxIdBytes) spool_.put(key_there(there), std::string(id));
}

bool AssessmentIds::is_anothers(std::string_view there, std::string_view id) const {
  if (there.size() > kMaxIdBytes) return false;
  const auto ours = spool_.load(key_there(there));
  return ours && *ours && **ours != id;
}

}  // namespace spanferry::uploader
