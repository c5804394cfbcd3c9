#include "uploader/new_assessment.hpp"

#include <algorithm>

#include "model/mlflow_assessment.hpp"
#include "model/percent_encode.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// After so many errors that may be about the assessment the far side has the last word.
constexpr int kMaxInternalErrors = 3;

}  // namespace

asio::awaitable<Verdict> AssessmentCreation::create(const NewAssessment& wanted, bool may_be_done) {
  int errors = 0;
  for (bool in_doubt = may_be_done;; in_doubt = true) {
    if (in_doubt) {
      Verdict there = co_await find(wanted);
      if (there.action == Action::done || there.action == Action::stopped) co_return there;
    }
    Verdict verdict = co_await calls_.call("POST", wanted.path + wanted.query, wanted.body,
                                           errors < kMaxInternalErrors ? Tries::one : Tries::endless);
    if (verdict.action == Action::again) {
      if (verdict.status != 0) ++errors;
      continue;
    }
    if (verdict.action == Action::done) {
      std::string there = mlflow::assessment_id_of_answer(verdict.response.body);
      if (!there.empty() && there != wanted.id) ids_.keep(wanted.id, there);
    } else if (verdict.action == Action::exists || verdict.status == 500) {
      // A server may refuse the same id a second time as if it were broken.
      Verdict there = co_await find(wanted);
      if (there.action == Action::done || there.action == Action::stopped) co_return there;
    }
    co_return verdict;
  }
}

// done: it is there, and under which id is known.
asio::awaitable<Verdict> AssessmentCreation::find(const NewAssessment& wanted) {
  Verdict verdict = co_await calls_.call(
      "GET", wanted.path + "/" + percent_encode(ids_.id_there(wanted.id)) + wanted.query);
  if (verdict.action != Action::not_found) co_return verdict;
  verdict = co_await calls_.call("GET", wanted.trace_path);
  if (verdict.action != Action::done) co_return verdict;
  const auto alike = mlflow::assessments_like(verdict.response.body, wanted.assessment);
  const auto ours = std::ranges::find_if(
      alike, [&](const std::string& there) { return !ids_.is_anothers(there, wanted.id); });
  if (ours != alike.end()) {
    ids_.keep(wanted.id, *ours);
  } else {
    verdict.action = Action::not_found;
  }
  co_return verdict;
}

}  // namespace spanferry::uploader
