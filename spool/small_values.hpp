// The readers' small durable values: visible at once, durable with the next commit group.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "model/result.hpp"
#include "spool/rider.hpp"

namespace spanferry::spool {

class SmallValues final : public Rider {
 public:
  using Done = std::move_only_function<void(Result<>)>;
  explicit SmallValues(std::function<void()> wake) : wake_(std::move(wake)) {}

  void put(std::string key, std::string value, Done done);
  void erase(std::string key);
  // What is on its way to disk: nothing in the outer optional if the store has the last word.
  [[nodiscard]] std::optional<std::optional<std::string>> pending(std::string_view key) const;

  Clock::time_point due() const override;
  bool wants_to_ride(Clock::time_point now) const override;
  bool must_sync() const override;
  void write(Store& store, rocksdb::WriteBatch& batch) override;
  void durable() override;
  void failed() override;
  // No group will come any more.
  void cancel();

 private:
  struct Change {
    std::optional<std::string> value;  // nothing: erased
    bool in_flight = false;
  };
  void change(std::string key, std::optional<std::string> value, Done done);

  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::map<std::string, Change, std::less<>> changes_;
  std::vector<Done> waiting_, waiting_in_flight_;
  bool dirty_ = false;
  Clock::time_point due_ = Clock::time_point::max();
};

}  // namespace spanferry::spool
