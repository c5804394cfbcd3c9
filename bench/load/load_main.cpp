// spanferry-load: how fast does an OTLP/HTTP receiver acknowledge, and what exactly did it acknowledge?
#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/load/generator.hpp"

namespace {
volatile bool stop = false;
void on_signal(int) { stop = true; }
}  // namespace

int main(int argc, char** argv) {
  using namespace spanferry::bench;
  LoadPlan plan;
  std::string shape = "one";
  std::string ledger_file;
  double seconds = 10;
  double timeout_s = 30;
  double linger_s = 10;
  CLI::App app("Posts numbered OTLP requests and prints what was acknowledged as JSON.");
  app.add_option("address", plan.address, "IPv4 ADDRESS:PORT of the receiver")->required();
  app.add_option("--path", plan.path, "of the request");
  app.add_option("--payload", shape, "one (1 x 1 KiB), batch (100 x 1 KiB) or genai (10 x 20 KiB)");
  app.add_option("--variants", plan.variants, "different texts");
  app.add_option("--connections", plan.connections, "kept open");
  app.add_option("--seconds", seconds, "how long to send; 0: until --requests are out");
  app.add_option("--requests", plan.requests, "how many to send; 0: until --seconds have passed");
  app.add_option("--rate", plan.rate, "requests a second; 0: as fast as it goes");
  app.add_option("--seed", plan.seed, "of the ids; two runs into one sink need two seeds");
  app.add_option("--first", plan.first_request, "number of the first request");
  app.add_option("--timeout", timeout_s, "seconds to wait for an answer");
  app.add_option("--linger", linger_s, "seconds to wait for the last answers");
  app.add_option("--ledger", ledger_file, "write the numbers of the acknowledged requests to this file");
  app.add_flag("--progress", plan.progress, "a line of JSON a second on stderr");
  CLI11_PARSE(app, argc, argv);
  const auto ms = [](double s) { return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000)); };
  plan.duration = ms(seconds);
  plan.timeout = ms(timeout_s);
  plan.linger = ms(linger_s);
  const auto complain = [](const spanferry::Error& error) {
    fmt::print(stderr, "spanferry-load: {}\n", error.sentence);
    return 1;
  };
  const auto chosen = shape_named(shape);
  if (!chosen) return complain(chosen.error());
  plan.shape = *chosen;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  const auto report = run_load(plan, stop);
  if (!report) return complain(report.error());
  if (!ledger_file.empty()) {
    if (const auto written = report->ledger.write(ledger_file); !written) return complain(written.error());
  }
  fmt::print("{}\n", to_json(plan, *report));
  return 0;
}
