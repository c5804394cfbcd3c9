// How long clients are told to try again while the spool takes nothing. MLflow's own repeat a 503 in the
// app's own thread where their asynchronous logging is off: seven times for each span and for the trace in
// http mode, for minutes in databricks mode. What is answered 400 they drop at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace spanferry::ingest {

inline constexpr std::string_view kMlflowPythonClient = "mlflow-python-client/";
inline constexpr std::string_view kDatabricksSdk = "databricks-sdk-";

// By its User-Agent.
inline bool repeats_in_the_app(std::string_view user_agent) {
  return user_agent.starts_with(kMlflowPythonClient) || user_agent.contains(kDatabricksSdk);
}

// One for all doors. Any thread.
class Patience {
 public:
  // A write is refused at `now_ms`. True: none was taken for so long that such clients are told to give up.
  bool is_over(std::int64_t now_ms) {
    std::int64_t since = 0;
    return !since_ms_.compare_exchange_strong(since, now_ms) && now_ms - since >= kLongEnoughMs;
  }
  // A write was taken: from now on they are told to try again.
  void renew() {
    if (since_ms_.load(std::memory_order_relaxed) != 0) since_ms_ = 0;
  }

 private:
  static constexpr std::int64_t kLongEnoughMs = 5000;
  std::atomic<std::int64_t> since_ms_ = 0;  // 0: the last write was taken
};

}  // namespace spanferry::ingest
