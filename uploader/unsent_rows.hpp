// What of a gathered trace was never sent to its Unity Catalog table, as it is to go there. A table is only
// appended to: a span that came twice goes once, the later copy; one that is there already stays as it is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/mlflow_table.hpp"
#include "uploader/gathered_trace.hpp"
#include "uploader/table_requests.hpp"
#include "uploader/trace_outcome.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Lives on the deliver thread.
class UnsentRows {
 public:
  explicit UnsentRows(const TrackContext& context) : context_(context) {}

  struct Found {
    std::vector<TableRows> requests;                   // of at most max_batch_bytes
    std::unordered_map<SpanId, std::uint64_t> copies;  // how often each of them came
    std::vector<RefusedPart> refused;                  // whose spans nobody can read any more
    // The lists of the mark once the requests went; `waiting` joins `aside` where what is not settled is to
    // be parked all the same, because the info has to wait.
    std::vector<Seq> left_out;
    std::vector<AsidePart> aside, waiting;
  };
  // `mark`: what was sent of the trace. `metadata`: of its info. Errors: of the spool, or what was gathered
  // is not there any more; nothing of the trace may be settled then, it is to be gathered anew.
  Result<Found> of(const GatheredTrace& gathered, const TraceMark& mark,
                   const mlflow::TableSpans::Metadata& metadata, const mlflow::TableLocation& location);
  // Nothing is under way: gives back the memory of the record kept.
  void forget() { last_ = {}; }

 private:
  struct Spans {
    const TracePart& part;
    std::shared_ptr<const std::string> request;  // OTLP, perhaps with other traces
    bool may_go = false;
  };
  static void sort_parts(const GatheredTrace& gathered, const TraceMark& mark, Found& found);
  Result<std::vector<Spans>> spans_of(const GatheredTrace& gathered, std::vector<RefusedPart>& refused);
  // Null: it is settled, and gone.
  Result<std::shared_ptr<const std::string>> request_of(const TracePart& part);
  [[nodiscard]] Result<std::shared_ptr<const std::string>> request_of(const Record& record) const;
  void add(std::vector<TableRows>& requests, TableRows rows) const;

  const TrackContext context_;
  Record last_;  // the record read last: the traces of one come one after the other
};

}  // namespace spanferry::uploader
