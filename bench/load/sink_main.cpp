// spanferry-sink: the far side of a benchmark or a fault test. Prints its ports as JSON, then serves.
#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/load/sink_server.hpp"

namespace {
volatile bool stop = false;
void on_signal(int) { stop = true; }
}  // namespace

int main(int argc, char** argv) {
  std::string address = "127.0.0.1:0";
  std::string admin = "127.0.0.1:0";
  CLI::App app("An OTLP/HTTP backend that remembers every span and misbehaves on demand.");
  app.add_option("--listen", address, "IPv4 ADDRESS:PORT for OTLP");
  app.add_option("--admin", admin, "IPv4 ADDRESS:PORT for /stats, /compare, /mode and /quit");
  bool check_later = false;
  app.add_flag("--check-later", check_later, "Answer bodies at once and look into them when no more come");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  const auto server = spanferry::bench::SinkServer::open(address, admin, check_later);
  if (!server) {
    fmt::print(stderr, "spanferry-sink: {}\n", server.error().sentence);
    return 1;
  }
  fmt::print("{{\"port\":{},\"admin_port\":{}}}\n", (*server)->port(), (*server)->admin_port());
  std::fflush(stdout);
  (*server)->run(stop);
  return 0;
}
