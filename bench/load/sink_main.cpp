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
  CLI::App app("An OTLP/HTTP backend, or a workspace, that remembers every span and misbehaves on demand.");
  app.add_option("--listen", address, "IPv4 ADDRESS:PORT for OTLP");
  app.add_option("--admin", admin, "IPv4 ADDRESS:PORT for /stats, /compare, /mode and /quit");
  bool check_later = false;
  app.add_flag("--check-later", check_later, "Answer bodies at once and look into them when no more come");
  bool is_workspace = false;
  spanferry::bench::WorkspaceOptions workspace;
  app.add_flag("--workspace", is_workspace, "Be a Databricks workspace");
  app.add_option("--table-prefix", workspace.table_prefix,
                 "catalog.schema.prefix that the workspace's experiments are linked to");
  app.add_option("--creations-per-s", workspace.creations_per_s,
                 "StartTraces that the workspace takes in one second");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  workspace.check_later = check_later;
  const auto server =
      spanferry::bench::SinkServer::open(address, admin,
                                         is_workspace ? spanferry::bench::make_workspace_backend(workspace)
                                                      : spanferry::bench::make_otlp_backend(check_later));
  if (!server) {
    fmt::print(stderr, "spanferry-sink: {}\n", server.error().sentence);
    return 1;
  }
  fmt::print("{{\"port\":{},\"admin_port\":{}}}\n", (*server)->port(), (*server)->admin_port());
  std::fflush(stdout);
  (*server)->run(stop);
  return 0;
}
