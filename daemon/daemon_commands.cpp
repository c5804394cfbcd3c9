// `run` and `demo`.
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/commands.hpp"
#include "daemon/fit_memory.hpp"
#include "daemon/handed_over.hpp"
#include "daemon/log.hpp"
#include "daemon/process.hpp"
#include "daemon/run.hpp"

namespace spanferry::daemon {
namespace {

std::expected<config::Loaded, int> load_or_tell(const config::Input& input) {
  auto loaded = load_within_memory(input);
  if (loaded) return std::move(*loaded);
  for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
  return std::unexpected(kUsage);
}

// Whether 127.0.0.1:PORT is there to be had.
bool is_free(std::uint16_t port, int type) {
  const int socket = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  const bool bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return bound;
}

bool has_flag(const CommandLine& line, std::string_view key) {
  for (const auto& flag : line.flags)
    if (flag.key == key) return true;
  return false;
}

int serve(const config::Loaded& loaded, const Callbacks& callbacks) {
  const auto ended = run(loaded, callbacks);
  if (ended) return kFine;
  if (ended.error().kind == ErrorKind::cancelled) {
    spdlog::info("{}", ended.error().sentence);
    return kFine;
  }
  spdlog::error("cannot start: {}", ended.error().sentence);
  return ended.error().kind == ErrorKind::configuration ? kUsage : kFailed;
}

// Nothing of the machine's own set-up: the usual ports where they are free, a directory of its own, a quick
// end.
config::Input demo_input(const CommandLine& line, const std::string& directory) {
  config::Input input{
      .file = std::nullopt, .flags = {}, .environment = {}, .machine = config::this_machine()};
  input.machine.is_file = [](const std::string&) { return false; };
  const auto add = [&](std::string_view key, std::string value) {
    if (!has_flag(line, key)) input.flags.push_back({std::string(key), std::move(value), "demo"});
  };
  add("spool.directory", directory + "/spool");
  add("listen.http", is_free(4318, SOCK_STREAM) ? "127.0.0.1:4318" : "127.0.0.1:0");
  add("listen.udp", is_free(4319, SOCK_DGRAM) ? "127.0.0.1:4319" : "127.0.0.1:0");
  add("spool.min_free_bytes", "64MiB");
  add("drain.timeout", "500ms");
  add("log.level", "warn");
  input.flags.insert(input.flags.end(), line.flags.begin(), line.flags.end());
  return input;
}

void tell_demo(const Doors& doors, const std::string& directory) {
  fmt::print("spanferry demo: everything below {} and removed at the end\n", directory);
  if (!doors.http.empty()) fmt::print("http {}\n", doors.http.front());
  if (!doors.udp.empty()) fmt::print("udp {}\n", doors.udp.front());
  if (!doors.http.empty())
    fmt::print(
        "send spans:  OTEL_EXPORTER_OTLP_ENDPOINT=http://{} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf "
        "YOUR-APP\n"
        "look:        spanferry status --address {}\n"
        "stop:        Ctrl-C\n",
        doors.http.front(), doors.http.front());
  std::fflush(stdout);
}

}  // namespace

int run_command(const CommandLine& line) {
  harden_process();
  share_memory_pools();
  block_stop_signals();
  const config::Input input{.file = line.config_file,
                            .flags = line.flags,
                            .environment = config::this_environment(),
                            .machine = config::this_machine()};
  auto loaded = load_or_tell(input);
  if (!loaded) return loaded.error();
  start_logging(loaded->settings);
  auto handed = handed_sockets();
  if (!handed) {
    spdlog::error("cannot start: {}", handed.error().sentence);
    return kUsage;
  }
  loaded->settings.ingest.handed = std::move(*handed);
  return serve(*loaded,
               {.on_started = {}, .on_abandon = {}, .load_again = [&] { return load_within_memory(input); }});
}

int demo_command(const CommandLine& line) {
  harden_process();
  share_memory_pools();
  block_stop_signals();
  const auto directory = make_temporary_directory();
  if (directory.empty()) {
    fmt::print(stderr, "no temporary directory can be made; set TMPDIR to one that can be written\n");
    return kFailed;
  }
  const std::function<void()> clean_up = [&directory] {
    std::error_code ignored;  // what is left is in a temporary directory
    std::filesystem::remove_all(directory, ignored);
  };
  const auto loaded = load_or_tell(demo_input(line, directory));
  int code = kUsage;
  if (loaded) {
    start_logging(loaded->settings);
    code = serve(*loaded, {.on_started = [&](const Doors& doors) { tell_demo(doors, directory); },
                           .on_abandon = clean_up,
                           .load_again = {}});
  }
  clean_up();
  return code;
}

}  // namespace spanferry::daemon
