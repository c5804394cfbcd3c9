#include <chrono>
#include <condition_variable>
#include <mutex>

#include "console/console.hpp"
#include "console/query.hpp"
#include "model/json_writer.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {
namespace {

inline constexpr std::chrono::seconds kCommitPatience{2};

// Whether the commit thread has come by; shared with the handler, which may come after we gave up.
class Sign {
 public:
  void give() {
    const std::lock_guard lock(mutex_);
    given_ = true;
    changed_.notify_all();
  }
  bool wait(std::chrono::seconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return given_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_ = false;
};

}  // namespace

// Alive is who still commits: a small value goes the way of all writes. That it could not be written (a full
// filesystem) is an answer too, and no reason to be killed for.
Reply livez(const Sources& sources) {
  auto sign = std::make_shared<Sign>();
  sources.spool->put("console/livez", "1", [sign](const Result<>&) { sign->give(); });
  Reply reply;
  const bool alive = sign->wait(kCommitPatience);
  if (!alive) reply.status = 503;
  JsonWriter(reply.body).begin_object().field("alive", alive).end_object();
  return reply;
}

Reply readyz(const Sources& sources, std::string_view query, bool with_reasons) {
  const SpoolStatus spool = sources.spool->status();
  const bool started = !sources.started || sources.started();
  const bool accepting = started && sources.spool->accepting();
  bool destinations_are_ok = true;
  Reply reply;
  JsonWriter json(reply.body);
  json.begin_object().field("accepting", accepting).key("reason");
  if (accepting) {
    json.null();
  } else {
    json.value(started ? std::string_view(spool.not_accepting_reason) : "starting");
  }
  json.field("draining", sources.ingest ? sources.ingest().draining : false)
      .key("destinations")
      .begin_array();
  if (sources.destinations) {
    for (const DestinationStatus& destination : sources.destinations()) {
      destinations_are_ok = destinations_are_ok && destination.state == DestinationState::ok;
      json.begin_object()
          .field("name", destination.name)
          .field("state", name(destination.state))
          .field("reason", with_reasons ? std::string_view(destination.reason) : std::string_view())
          .end_object();
    }
  }
  const bool destinations_decide = query_value(query, "destinations").has_value();
  const bool ready = accepting && (destinations_are_ok || !destinations_decide);
  json.end_array().field("ready", ready).end_object();
  reply.status = ready ? 200 : 503;
  return reply;
}

}  // namespace spanferry::console
