// What the far side calls assessments that were given an id here: it may mint ids of its own. Kept in the
// spool.
#pragma once

#include <string>
#include <string_view>

#include "spool/spool.hpp"

namespace spanferry::uploader {

class AssessmentIds {
 public:
  AssessmentIds(spool::Spool& spool, std::string destination)
      : spool_(spool), destination_(std::move(destination)) {}

  // As it is there, as far as we know: the same, unless something else was kept.
  [[nodiscard]] std::string id_there(std::string_view id) const;
  void keep(std::string_view id, const std::string& there);
  // Whether that one of the far side is another one of ours.
  [[nodiscard]] bool is_anothers(std::string_view there, std::string_view id) const;

 private:
  [[nodiscard]] std::string key_of(std::string_view id) const;
  [[nodiscard]] std::string key_there(std::string_view there) const;

  spool::Spool& spool_;
  const std::string destination_;
};

}  // namespace spanferry::uploader
