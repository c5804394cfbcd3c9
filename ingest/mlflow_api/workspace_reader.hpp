// How the MLflow API in front reads from the far side it speaks for: declared here, implemented by whoever
// delivers there, connected by daemon. It has the credential, the connections and the rate limit; we have
// none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/ids.hpp"
#include "model/record.hpp"
#include "model/result.hpp"

namespace spanferry::ingest {

struct WorkspaceRequest {
  std::string method = "GET";
  std::string path;  // with the query, below the far side's address: /api/3.0/mlflow/traces/search
  std::string body;  // JSON; empty: none
  // The path gives out a signed address, as credentials-for-data-download does (CONTRACT 2.2): the answer is
  // the file behind it, or what was said instead of an address.
  bool behind_signed_address = false;
  std::chrono::milliseconds deadline{2000};
  std::size_t max_answer_bytes = 16U << 20;
};

struct WorkspaceAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

// Any thread. Outlives the doors.
class WorkspaceReader {
 public:
  enum class State : std::uint8_t {
    none,      // no far side: `local` alone
    unproven,  // it has not answered yet since the start
    ok,
    away,  // down, paused, rate limited: do not wait for it
  };
  virtual ~WorkspaceReader() = default;
  [[nodiscard]] virtual State state() const = 0;
  enum class Kind : std::uint8_t { local, mlflow, databricks };
  [[nodiscard]] virtual Kind kind() const = 0;
  // Of the destination it reads from; empty for `local`.
  [[nodiscard]] virtual std::string destination() const = 0;
  // Whether all that the spool has of that trace was delivered there, or given up.
  [[nodiscard]] virtual bool settled(const TraceId& trace, const std::vector<Seq>& records) const = 0;
  // Asked once, no retries. `done` is called exactly once, on any thread. Errors: unavailable, timeout,
  // too_large, unauthorized, cancelled; every HTTP status is an answer.
  virtual void read(WorkspaceRequest request,
                    std::move_only_function<void(Result<WorkspaceAnswer>)> done) = 0;
};

}  // namespace spanferry::ingest
