// The far side that the MLflow API speaks for, read from by whoever delivers there: connects
// ingest::WorkspaceReader to the uploader, which the doors come before and stay longer than.
#pragma once

#include <atomic>
#include <mutex>

#include "ingest/mlflow_api/workspace_reader.hpp"
#include "uploader/settings.hpp"
#include "uploader/uploader.hpp"

namespace spanferry::daemon {

class FarSide final : public ingest::WorkspaceReader {
 public:
  // `uploader` is null while there is none. The destination is the one called `wanted`, else the first of
  // kind databricks or mlflow, else none.
  FarSide(const std::atomic<uploader::Uploader*>& uploader, std::string wanted)
      : uploader_(uploader), wanted_(std::move(wanted)) {}
  // Looks for it in other settings. Any thread.
  void choose(const uploader::Settings& settings);
  // Asks it something cheap, so that whether it answers is known before a client waits for it: a state that
  // stayed unproven would have clients answered without it though it is up (DESIGN 6). Any thread, at once.
  void greet();

  [[nodiscard]] State state() const override;
  [[nodiscard]] Kind kind() const override;
  [[nodiscard]] std::string destination() const override;
  [[nodiscard]] bool settled(const TraceId& trace, const std::vector<Seq>& records) const override;
  void read(ingest::WorkspaceRequest request,
            std::move_only_function<void(Result<ingest::WorkspaceAnswer>)> done) override;

 private:
  const std::atomic<uploader::Uploader*>& uploader_;
  const std::string wanted_;
  mutable std::mutex mutex_;  // guards what follows: a reload changes it
  Kind kind_ = Kind::local;
  std::string name_;
};

}  // namespace spanferry::daemon
