// The commands that ask a running daemon, and those that need none.
#include <cstdio>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "config/show.hpp"
#include "console/console.hpp"
#include "daemon/budgets.hpp"
#include "daemon/client.hpp"
#include "daemon/commands.hpp"
#include "daemon/find_daemon.hpp"
#include "daemon/fit_memory.hpp"
#include "daemon/json_fields.hpp"
#include "daemon/otlp_answer.hpp"
#include "daemon/show_status.hpp"
#include "daemon/show_trace.hpp"
#include "model/json_writer.hpp"
#include "model/otlp_scan.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {
namespace {

constexpr std::size_t kMaxSentBytes = 64U << 20;

// Prints the answer as it is, or what `show` makes of it.
int print(const Result<Answer>& answer, bool json, Result<std::string> (*show)(std::string_view)) {
  if (!answer) return failed(answer.error());
  if (answer->status != 200) {
    fmt::print(stderr, "{}\n", complaint(*answer));
    return kFailed;
  }
  if (json) {
    fmt::print("{}\n", answer->body);
    return kFine;
  }
  const auto text = show(answer->body);
  if (!text) return failed(text.error());
  fmt::print("{}", *text);
  return kFine;
}

Result<std::string> read_input(const std::string& file) {
  std::ifstream from_file;
  if (!file.empty() && file != "-") {
    from_file.open(file, std::ios::binary);
    if (!from_file) return fail(ErrorKind::io, fmt::format("{} cannot be read", file));
  }
  std::istream& in = from_file.is_open() ? static_cast<std::istream&>(from_file) : std::cin;
  std::string bytes(kMaxSentBytes + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.size() > kMaxSentBytes)
    return fail(ErrorKind::too_large, fmt::format("more than {} bytes", kMaxSentBytes));
  if (bytes.empty()) return fail(ErrorKind::invalid_input, "nothing to send");
  return bytes;
}

// What is a request in the wire form is one, also where its first bytes look like JSON.
bool is_json(std::string_view bytes) {
  if (const auto scan = scan_traces_request(bytes); scan && scan->spans + scan->refused_spans > 0)
    return false;
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  const auto first = bytes.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && bytes[first] == '{';
}

}  // namespace

int status_command(const CommandLine& line) {
  const auto daemon = find_daemon(line);
  if (!daemon) return daemon.error();
  if (!line.ready && !line.live)
    return print(get(*daemon, "/api/spanferry/v1/status"), line.json, show_status);
  const auto answer = get(*daemon, line.live ? "/livez" : "/readyz");
  if (!answer) return failed(answer.error());
  if (line.json) fmt::print("{}\n", answer->body);
  return answer->status == 200 ? kFine : kFailed;
}

int trace_command(const CommandLine& line) {
  const auto daemon = find_daemon(line);
  if (!daemon) return daemon.error();
  return print(get(*daemon, "/api/spanferry/v1/traces/" + percent_encode(line.argument)), line.json,
               show_trace);
}

int config_command(const CommandLine& line) {
  if (line.reference || line.metrics_reference) {
    fmt::print("{}", line.reference ? config::reference() : console::metrics_reference());
    return kFine;
  }
  const auto loaded = load_within_memory(input_of(line));
  if (!loaded) {
    for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
    return kUsage;
  }
  const auto budgets = memory_budgets(loaded->settings);
  if (line.json) {
    fmt::print("{{\"configuration\":{},\"memory\":{}}}\n", config::to_json(*loaded), budgets_json(budgets));
  } else {
    fmt::print("{}\n{}", config::to_text(*loaded), budgets_text(budgets));
  }
  return kFine;
}

int send_command(const CommandLine& line) {
  const auto daemon = find_daemon(line);
  if (!daemon) return daemon.error();
  const auto bytes = read_input(line.argument);
  if (!bytes) return failed(bytes.error());
  if (line.udp) {
    const auto sent = send_datagram(*daemon, *bytes);
    if (!sent) return failed(sent.error());
    fmt::print("sent {} bytes to {}; nobody acknowledges a datagram\n", bytes->size(), daemon->udp);
    return kFine;
  }
  const bool json = is_json(*bytes);
  const auto answer =
      post(*daemon, "/v1/traces", json ? "application/json" : "application/x-protobuf", *bytes);
  if (!answer) return failed(answer.error());
  if (answer->status != 200) {
    fmt::print(stderr, "refused with {}: {}\n", answer->status,
               json ? printable(answer->body) : rpc_status_text(answer->body));
    return kFailed;
  }
  // A JSON answer that says anything says that spans were refused.
  const auto refused = !json                  ? partial_success_text(answer->body)
                       : answer->body == "{}" ? ""
                                              : printable(answer->body);
  if (refused.empty()) {
    fmt::print("accepted, and on disk\n");
    return kFine;
  }
  fmt::print(stderr, "accepted in part: {}\n", refused);
  return kFailed;
}

int version_command(const CommandLine& line) {
  if (line.json) {
    std::string out;
    JsonWriter(out).begin_object().field("version", SPANFERRY_VERSION).end_object();
    fmt::print("{}\n", out);
  } else {
    fmt::print("spanferry {}\n", SPANFERRY_VERSION);
  }
  return kFine;
}

}  // namespace spanferry::daemon
