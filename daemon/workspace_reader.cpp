#include "daemon/workspace_reader.hpp"

#include <utility>

namespace spanferry::daemon {
namespace {

// Every server that speaks MLflow's API has it, and it is cheap there.
constexpr std::string_view kLookPath = "/api/2.0/mlflow/experiments/search";
constexpr std::string_view kLookBody = R"({"max_results":1})";
constexpr std::chrono::milliseconds kLookDeadline{5000};

}  // namespace

void FarSide::choose(const uploader::Settings& settings) {
  using uploader::Kind;
  const std::lock_guard lock(mutex_);
  kind_ = WorkspaceReader::Kind::local;
  name_.clear();
  for (const auto& destination : settings.destinations) {
    if (destination.kind != Kind::databricks && destination.kind != Kind::mlflow) continue;
    if (!wanted_.empty() && destination.name != wanted_) continue;
    kind_ = destination.kind == Kind::databricks ? WorkspaceReader::Kind::databricks
                                                 : WorkspaceReader::Kind::mlflow;
    name_ = destination.name;
    return;
  }
}

ingest::WorkspaceReader::State FarSide::state() const {
  const std::string name = destination();
  if (name.empty()) return State::none;
  const auto* uploader = uploader_.load();
  if (uploader == nullptr) return State::unproven;
  switch (uploader->read_state(name)) {
    case uploader::ReadState::unproven:
      look();
      return State::unproven;
    case uploader::ReadState::ok:
      return State::ok;
    case uploader::ReadState::none:  // between two, in a reload
    case uploader::ReadState::away:
      break;
  }
  return State::away;
}

void FarSide::look() const {
  const std::string name = destination();
  auto* uploader = uploader_.load();
  if (name.empty() || uploader == nullptr || looking_->exchange(true)) return;
  uploader->read(name,
                 {.method = "POST",
                  .path = std::string(kLookPath),
                  .body = std::string(kLookBody),
                  .deadline = kLookDeadline},
                 [looking = looking_](const Result<uploader::ReadAnswer>&) { *looking = false; });
}

ingest::WorkspaceReader::Kind FarSide::kind() const {
  const std::lock_guard lock(mutex_);
  return kind_;
}

std::string FarSide::destination() const {
  const std::lock_guard lock(mutex_);
  return name_;
}

bool FarSide::settled(const TraceId& trace, const std::vector<Seq>& records) const {
  const auto* uploader = uploader_.load();
  if (uploader == nullptr) return false;
  const std::string name = destination();
  for (const auto& delivery : uploader->delivery_of(trace, records))
    if (delivery.destination == name) return delivery.settled;
  return false;
}

void FarSide::read(ingest::WorkspaceRequest request,
                   std::move_only_function<void(Result<ingest::WorkspaceAnswer>)> done) {
  auto* uploader = uploader_.load();
  if (uploader == nullptr) return done(fail(ErrorKind::unavailable, "the destinations are being set up"));
  uploader->read(destination(),
                 {.method = std::move(request.method),
                  .path = std::move(request.path),
                  .body = std::move(request.body),
                  .behind_signed_address = request.behind_signed_address,
                  .deadline = request.deadline,
                  .max_answer_bytes = request.max_answer_bytes},
                 [done = std::move(done)](Result<uploader::ReadAnswer> answer) mutable {
                   if (!answer) return done(std::unexpected(std::move(answer.error())));
                   done(ingest::WorkspaceAnswer{answer->status, std::move(answer->content_type),
                                                std::move(answer->body)});
                 });
}

}  // namespace spanferry::daemon
