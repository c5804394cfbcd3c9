// A trace whose span file is too large for the storage: spans are truncated, or left out and set aside, the
// largest first, until the file is taken.
#pragma once

#include <cstddef>
#include <unordered_set>
#include <vector>

#include "uploader/trace_gather.hpp"
#include "uploader/trace_outcome.hpp"
#include "uploader/track.hpp"

namespace spanferry::uploader {

// Of one delivery. Lives on the deliver thread.
class FileFitting {
 public:
  explicit FileFitting(const TrackContext& context) : context_(context) {}

  // Makes what `gathered` holds smaller, after a file of `bytes` was refused for its size. `ours`: the same
  // spans kept apart, changed alike; may be empty. False: there is nothing left that could go. Errors: of the
  // spool; the trace is to be gathered anew then.
  Result<bool> shrink(GatheredTrace& gathered, std::vector<mlflow::StoredSpan>& ours, std::size_t bytes,
                      const Verdict& refusal);

  // The trace is delivered: counts what was done to it. Returns the spans that it lacks.
  std::vector<RefusedSpans> delivered();

 private:
  bool truncate(GatheredTrace& gathered, std::vector<mlflow::StoredSpan>& ours, std::size_t excess);
  Result<> leave_out(const GatheredTrace& gathered, const SpanId& span, std::size_t bytes,
                     const Verdict& refusal);

  const TrackContext context_;
  std::unordered_set<SpanId> truncated_;
  std::unordered_set<SpanId> left_out_;
  std::vector<RefusedSpans> refused_;
};

}  // namespace spanferry::uploader
