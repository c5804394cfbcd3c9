// The far side that the MLflow API speaks for, read from by whoever delivers there: connects
// ingest::WorkspaceReader to the uploader, which the doors come before and stay longer than.
#pragma once

#include <atomic>
#include <memory>
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
  // Asks it once whether it is there, if it has not answered yet: whoever comes later need not wait to learn
  // so, and finds it `ok` or `away`. Any thread.
  void look() const;

  [[nodiscard]] State state() const override;
  [[nodiscard]] Kind kind() const override;
  [[nodiscard]] std::string destination() const override;
  [[nodiscard]] bool settled(const TraceId& trace, const std::vector<Seq>& records) const override;
  void read(ingest::WorkspaceRequest request,
            std::move_only_function<void(Result<ingest::WorkspaceAnswer>)> done) override;

 private:
  const std::atomic<uploader::Uploader*>& uploader_;
  const std::string wanted_;
  const std::shared_ptr<std::atomic<bool>> looking_ = std::make_shared<std::atomic<bool>>(false);
  mutable std::mutex mutex_;  // guards what follows: a reload changes it
  Kind kind_ = Kind::local;
  std::string name_;
};

}  // namespace spanferry::daemon
