// What the far side calls assessments that were given an id here: it may mint ids of its own. Kept in the
// spool. Bounded: the oldest of kMaxAssessmentIds is forgotten for each new one, and then goes by the id that
// it has here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spool/spool.hpp"

namespace spanferry::uploader {

inline constexpr std::uint64_t kMaxAssessmentIds = 100'000;

// Lives on the deliver thread. Several of one destination know the same, and have one bound together.
class AssessmentIds {
 public:
  AssessmentIds(spool::Spool& spool, const std::string& destination,
                std::uint64_t max_ids = kMaxAssessmentIds);

  // As it is there, as far as we know: the same, unless something else was kept.
  [[nodiscard]] std::string id_there(std::string_view id) const;
  // Ids of more than 512 bytes are not kept.
  void keep(std::string_view id, const std::string& there);
  // Whether that one of the far side is another one of ours.
  [[nodiscard]] bool is_anothers(std::string_view there, std::string_view id) const;

 private:
  [[nodiscard]] std::string value_of(const std::string& key) const;
  void make_room(std::string_view id);
  void forget_there(std::string_view id, const std::string& there);

  spool::Spool& spool_;
  const std::string ours_, theirs_, ring_, count_;  // prefixes of keys, and a key
  const std::uint64_t max_ids_;
};

}  // namespace spanferry::uploader
