#include "ingest/server.hpp"

#include <utility>

#include "ingest/counters.hpp"
#include "ingest/http_door.hpp"
#include "ingest/patience.hpp"
#include "ingest/udp_door.hpp"

namespace spanferry::ingest {
namespace {

class BothDoors final : public Server {
 public:
  BothDoors(const Settings& settings, Patience* patience)
      : settings_(settings),
        routes_(settings.routes),
        patience_(patience == nullptr ? own_patience_ : *patience) {}

  Result<> open(spool::Spool& spool, std::vector<Endpoint> endpoints) {
    auto http = HttpDoor::open(settings_, spool, *counters_, std::move(endpoints), routes_, patience_);
    if (!http) return std::unexpected(std::move(http.error()));
    http_ = std::move(*http);
    auto udp = UdpDoor::open(settings_, spool, counters_, routes_);
    if (!udp) return std::unexpected(std::move(udp.error()));
    udp_ = std::move(*udp);
    return {};
  }

  [[nodiscard]] std::vector<std::string> http_addresses() const override { return http_->addresses(); }
  [[nodiscard]] std::vector<std::string> udp_addresses() const override { return udp_->addresses(); }
  [[nodiscard]] IngestStatus status() const override { return counters_->snapshot(); }
  void route_by(std::vector<RouteRule> rules) override { routes_.replace(std::move(rules)); }
  void start_draining() override { counters_->draining = true; }
  [[nodiscard]] std::chrono::milliseconds quiet_for() const override { return counters_->quiet_for(); }
  void stop(std::chrono::milliseconds deadline) override {
    udp_->stop();
    http_->stop(deadline);
  }

 private:
  const Settings settings_;
  RouteTable routes_;
  Patience own_patience_;
  Patience& patience_;
  // Shared with datagrams still on their way through the spool.
  std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
  std::unique_ptr<HttpDoor> http_;
  std::unique_ptr<UdpDoor> udp_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const Settings& settings, spool::Spool& spool,
                                              std::vector<Endpoint> endpoints, Patience* patience) {
  auto server = std::make_unique<BothDoors>(settings, patience);
  if (auto opened = server->open(spool, std::move(endpoints)); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return server;
}

}  // namespace spanferry::ingest
