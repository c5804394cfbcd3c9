// What an MLflow client does to a trace after it was told, at a far side that speaks MLflow's REST API: tags,
// assessments, links, files, deletion. Each may be done again, after a crash or a lost answer, and changes
// nothing then. CONTRACT 1.3, 1.5, 1.6, 2.2.
#pragma once

#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "model/mlflow_write.hpp"
#include "uploader/assessment_ids.hpp"
#include "uploader/new_assessment.hpp"
#include "uploader/trace_calls.hpp"

namespace spanferry::uploader {

struct EditOutcome {
  enum class Kind : std::uint8_t {
    done,
    early,    // the far side does not know the trace, or does not let us at it now
    refused,  // for good
    stopped,
  };
  Kind kind = Kind::stopped;
  Verdict verdict;
};
// Of an answer that says nothing about whether the trace is there.
EditOutcome outcome_of(Verdict verdict);

// Lives on the deliver thread. Outlived by all it is given.
class TraceEdits {
 public:
  TraceEdits(const TrackContext& context, TraceCalls& calls)
      : context_(context),
        calls_(calls),
        ids_(context.spool, context.settings.name),
        creation_(calls, ids_) {}

  // `may_be_done`: by the process before, or as the trace was told before.
  boost::asio::awaitable<EditOutcome> apply(const TraceId& trace, const mlflow::TraceEdit& edit,
                                            bool may_be_done);
  // A file of a trace of that experiment, to where the server has its files; refused where it does not take
  // them.
  boost::asio::awaitable<EditOutcome> put_file(const TraceId& trace, std::string_view experiment,
                                               const mlflow::Artifact& file);
  // From that experiment, or where else it is. Done also when there is no such trace.
  boost::asio::awaitable<EditOutcome> remove(const TraceId& trace, std::string experiment);
  // A new assessment of a trace that somebody else may have told about.
  boost::asio::awaitable<EditOutcome> assess(const TraceId& trace, const std::string& id,
                                             const std::string& assessment, bool may_be_done);

 private:
  boost::asio::awaitable<EditOutcome> set_tag(const TraceId& trace, const mlflow::SetTag& edit);
  boost::asio::awaitable<EditOutcome> update(const TraceId& trace, const mlflow::EditAssessment& edit);
  boost::asio::awaitable<EditOutcome> erase(const TraceId& trace, const std::string& id);
  boost::asio::awaitable<EditOutcome> link(const TraceId& trace, const mlflow::LinkToRun& edit);

  boost::asio::awaitable<EditOutcome> ask_for_trace(const TraceId& trace, Verdict otherwise);

  const TrackContext context_;
  TraceCalls& calls_;
  AssessmentIds ids_;
  AssessmentCreation creation_;
};

}  // namespace spanferry::uploader
