// A new assessment at a far side: one of it, whatever becomes of the answers. A far side that keeps the id it
// is asked for refuses it a second time; one that mints ids of its own would make another one, so that what
// is there is looked at before each further try. CONTRACT 1.6.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "uploader/assessment_ids.hpp"
#include "uploader/trace_calls.hpp"

namespace spanferry::uploader {

struct NewAssessment {
  std::string id;          // as it was given here
  std::string assessment;  // a JSON object, as it came
  std::string path;        // of the trace's assessments
  std::string trace_path;  // of its info, which lists them
  std::string body;        // of the POST
  std::string query;       // with its ?, of the calls below `path`
};

// Lives on the deliver thread. Outlived by all it is given.
class AssessmentCreation {
 public:
  AssessmentCreation(TraceCalls& calls, AssessmentIds& ids) : calls_(calls), ids_(ids) {}

  // `may_be_done`: by the process before. done: it is there.
  boost::asio::awaitable<Verdict> create(const NewAssessment& wanted, bool may_be_done);

 private:
  boost::asio::awaitable<Verdict> find(const NewAssessment& wanted);

  TraceCalls& calls_;
  AssessmentIds& ids_;
};

}  // namespace spanferry::uploader
