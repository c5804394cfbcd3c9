#include "uploader/uploader.hpp"

#include <algorithm>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "model/ids.hpp"
#include "spool/spool.hpp"
#include "uploader/destination.hpp"
#include "uploader/endpoint.hpp"

namespace spanferry::uploader {
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kDrainLook{10};

using Destinations = std::vector<std::shared_ptr<Destination>>;

Result<> check(const DestinationSettings& settings, const std::vector<std::string>& own_addresses) {
  if (settings.kind == Kind::local) return {};
  const auto endpoint = parse_endpoint(settings.url);
  if (!endpoint) return std::unexpected(endpoint.error().in("destination " + settings.name));
  if (is_own_listener(*endpoint, own_addresses))
    return fail(ErrorKind::configuration,
                fmt::format("destination {}: {} is this daemon's own listener; spans would go in a circle",
                            settings.name, settings.url));
  return {};
}

class UploaderImpl final : public Uploader {
 public:
  UploaderImpl(spool::Spool& spool, std::string instance, std::vector<std::string> own_addresses)
      : spool_(spool), instance_(std::move(instance)), own_addresses_(std::move(own_addresses)) {}

  ~UploaderImpl() override {
    for (const auto& destination : take({})) destination->stop();
  }

  Result<> reload(const Settings& settings) override {
    for (const DestinationSettings& wanted : settings.destinations)
      if (const auto checked = check(wanted, own_addresses_); !checked) return checked;
    Destinations now;
    for (const DestinationSettings& wanted : settings.destinations) {
      const auto same =
          std::ranges::find_if(destinations_, [&](const auto& d) { return d->is(wanted, settings.context); });
      now.push_back(same == destinations_.end() ? nullptr : *same);
    }
    // Those that go are stopped before the ones that take over their cursors are made.
    const Destinations before = take(present(now));
    std::vector<std::string> cursors;
    for (const auto& destination : before) {
      if (std::ranges::find(now, destination) != now.end()) continue;
      destination->stop();
      for (auto& name : destination->cursors()) cursors.push_back(std::move(name));
    }
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (now[i]) continue;
      auto made = Destination::make(settings.destinations[i], settings.context, spool_, instance_);
      if (!made) return std::unexpected(made.error());
      now[i] = *std::move(made);
      now[i]->start();
      take(present(now));
    }
    release(std::move(cursors));
    return {};
  }

  [[nodiscard]] std::vector<DestinationStatus> status() const override {
    std::vector<DestinationStatus> all;
    for (const auto& destination : destinations()) all.push_back(destination->status());
    return all;
  }

  void drain(milliseconds deadline) override {
    const auto until = std::chrono::steady_clock::now() + deadline;
    for (const auto& destination : destinations_) destination->drain();
    const auto pending = [&] {
      return std::ranges::any_of(destinations_, [](const auto& d) { return d->pending(); });
    };
    while (pending() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kDrainLook);
  }

  [[nodiscard]] std::vector<Delivery> delivery_of(const TraceId& trace,
                                                  const std::vector<Seq>& records) const override {
    std::vector<Delivery> all;
    for (const auto& destination : destinations())
      all.push_back({destination->name(), destination->settled(trace, records)});
    return all;
  }

  void read(const std::string& destination, ReadRequest request, ReadHandler done) override {
    if (const auto found = named(destination)) return found->read(std::move(request), std::move(done));
    done(fail(ErrorKind::unavailable, fmt::format("there is no destination {} now", destination)));
  }

  [[nodiscard]] ReadState read_state(const std::string& destination) const override {
    const auto found = named(destination);
    return found ? found->read_state() : ReadState::none;
  }

 private:
  std::shared_ptr<Destination> named(const std::string& name) const {
    for (const auto& destination : destinations())
      if (destination->name() == name) return destination;
    return nullptr;
  }

  static Destinations present(Destinations some) {
    std::erase(some, nullptr);
    return some;
  }

  Destinations destinations() const {
    const std::lock_guard lock(mutex_);
    return destinations_;
  }
  // The ones before.
  Destinations take(Destinations now) {
    const std::lock_guard lock(mutex_);
    return std::exchange(destinations_, std::move(now));
  }

  void release(std::vector<std::string> cursors) {
    for (const auto& destination : destinations_)
      for (const auto& used : destination->cursors()) std::erase(cursors, used);
    for (const auto& name : cursors) spool_.release(name);
    // Those that an earlier process left.
    for (const auto& name : spool_.orphaned_cursors()) spool_.release(name);
  }

  spool::Spool& spool_;
  const std::string instance_;
  const std::vector<std::string> own_addresses_;
  mutable std::mutex mutex_;   // guards destinations_ between the thread that changes them and status
  Destinations destinations_;  // in the order of the settings
};

}  // namespace

Result<std::unique_ptr<Uploader>> Uploader::start(const Settings& settings, spool::Spool& spool,
                                                  const std::vector<std::string>& own_addresses) {
  auto uploader = std::make_unique<UploaderImpl>(
      spool, settings.instance.empty() ? mint_trace_id().hex() : settings.instance, own_addresses);
  if (const auto made = uploader->reload(settings); !made) return std::unexpected(made.error());
  return uploader;
}

}  // namespace spanferry::uploader
