#include "daemon/endpoints.hpp"

#include <string_view>
#include <utility>

namespace spanferry::daemon {
namespace {

constexpr std::string_view kTraces = "/api/spanferry/v1/traces/";
constexpr std::string_view kRetry = "/retry";
constexpr std::string_view kDead = "/api/spanferry/v1/dead-letters/";

// A function of the sources and the request, as an endpoint. Health is for every peer, what
// shows traces or numbers for who may see them.
template <class Make>
ingest::Endpoint endpoint(const console::Sources& sources, std::string method, std::string path,
                          ingest::Audience audience, Make make) {
  return {std::move(method), std::move(path), audience,
          [&sources, make](const ingest::Request& request,
                           std::move_only_function<void(ingest::Response)> reply) {
            auto answer = make(sources, request);
            reply({answer.status, std::move(answer.content_type), std::move(answer.body), {}});
          }};
}

}  // namespace

std::vector<ingest::Endpoint> endpoints(const console::Sources& sources) {
  using console::Reply;
  using console::Sources;
  using ingest::Audience;
  using ingest::Request;
  std::vector<ingest::Endpoint> all;
  const auto add = [&](std::string path, Audience audience, auto make) {
    all.push_back(endpoint(sources, "GET", std::move(path), audience, make));
  };
  add("/livez", Audience::everyone, [](const Sources& s, const Request&) { return console::livez(s); });
  add("/readyz", Audience::everyone,
      [](const Sources& s, const Request& r) { return console::readyz(s, r.query, r.from_loopback); });
  add("/metrics", Audience::loopback, [](const Sources& s, const Request&) { return console::metrics(s); });
  add("/api/spanferry/v1/status", Audience::loopback,
      [](const Sources& s, const Request&) { return console::status(s); });
  add("/api/spanferry/v1/traces", Audience::loopback,
      [](const Sources& s, const Request& r) { return console::traces(s, r.query); });
  add(std::string(kTraces), Audience::loopback,
      [](const Sources& s, const Request& r) { return console::trace(s, r.path.substr(kTraces.size())); });
  add("/api/spanferry/v1/dead-letters", Audience::loopback,
      [](const Sources& s, const Request& r) { return console::dead_letters(s, r.query); });
  all.push_back({"POST", "/api/spanferry/v1/spool/forget", Audience::loopback,
                 [&sources](const Request& request, std::move_only_function<void(ingest::Response)> reply) {
                   console::forget(
                       sources, request.query, [reply = std::move(reply)](console::Reply answer) mutable {
                         reply({answer.status, std::move(answer.content_type), std::move(answer.body), {}});
                       });
                 }});
  add(std::string(kDead), Audience::loopback, [](const Sources& s, const Request& r) {
    return console::dead_letter(s, r.path.substr(kDead.size()));
  });
  all.push_back(endpoint(sources, "DELETE", std::string(kDead), Audience::loopback,
                         [](const Sources& s, const Request& r) {
                           return console::drop_dead_letters(s, r.path.substr(kDead.size()));
                         }));
  all.push_back(endpoint(
      sources, "POST", std::string(kDead), Audience::loopback, [](const Sources& s, const Request& r) {
        const auto which = r.path.substr(kDead.size());
        if (which.ends_with(kRetry))
          return console::retry_dead_letters(s, which.substr(0, which.size() - kRetry.size()));
        return Reply{404, "application/json",
                     R"({"error_code":"ENDPOINT_NOT_FOUND","message":"nothing is served at this path"})"};
      }));
  return all;
}

}  // namespace spanferry::daemon
