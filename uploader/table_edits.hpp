// What an MLflow client does to a trace in Unity Catalog after it was told: tags, assessments, links, by V4.
// Each may be done again and changes nothing then. CONTRACT 2.3.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "uploader/trace_edits.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread. Outlived by all it is given.
class TableEdits {
 public:
  // `warehouse`: the SQL warehouse to name in calls that take one; empty: none.
  TableEdits(TraceCalls& calls, AssessmentIds& ids, std::string warehouse)
      : calls_(calls), ids_(ids), creation_(calls, ids), warehouse_(std::move(warehouse)) {}

  // Of a trace in the location `path`. `may_be_done`: by the process before.
  boost::asio::awaitable<EditOutcome> apply(std::string path, const TraceId& trace,
                                            const mlflow::TraceEdit& edit, bool may_be_done);
  // GET of the trace's info; not_found when there is no such trace in the location `path`.
  boost::asio::awaitable<Verdict> trace_info(const std::string& path, const TraceId& trace);

 private:
  boost::asio::awaitable<EditOutcome> set_tag(std::string base, const mlflow::SetTag& edit);
  boost::asio::awaitable<EditOutcome> assess(const std::string& path, const TraceId& trace,
                                             const std::string& id, const std::string& assessment,
                                             bool may_be_done);
  boost::asio::awaitable<EditOutcome> update(std::string base, std::string body,
                                             const mlflow::EditAssessment& edit);
  boost::asio::awaitable<EditOutcome> erase(std::string base, std::string id);
  boost::asio::awaitable<EditOutcome> link(const std::string& path, const TraceId& trace,
                                           const mlflow::LinkToRun& edit);
  // Whether it was the trace that was missing, or something of it.
  boost::asio::awaitable<EditOutcome> ask_for_trace(std::string base, Verdict otherwise);
  boost::asio::awaitable<Verdict> info_at(std::string base);
  // The assessment as V4 takes it.
  [[nodiscard]] std::string body_of(const std::string& assessment, std::string_view id,
                                    const std::string& path, const TraceId& trace);

  // With the query that names the warehouse, and `query` (without its ?).
  [[nodiscard]] std::string with_query(std::string path, std::string_view query = {}) const;

  TraceCalls& calls_;
  AssessmentIds& ids_;
  AssessmentCreation creation_;
  const std::string warehouse_;
};

}  // namespace spanferry::uploader
