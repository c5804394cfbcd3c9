// The commands that change what the spool holds: through the daemon that runs, else in the spool itself.
#include <cstdio>

#include <fmt/format.h>

#include "daemon/commands.hpp"
#include "daemon/find_daemon.hpp"
#include "daemon/json_fields.hpp"
#include "model/json_writer.hpp"
#include "spool/spool.hpp"

namespace spanferry::daemon {
namespace {

struct Change {
  std::string method, path;  // of the daemon's API
  std::string_view done;     // the field of its answer, and the word for people
  std::function<Result<std::uint64_t>(spool::Spool&)> in_spool;
};

Result<std::uint64_t> change_in_spool(const CommandLine& line, const Change& change) {
  const auto loaded = config::load(input_of(line));
  if (!loaded) return fail(ErrorKind::configuration, loaded.error().front());
  auto settings = loaded->settings.spool;
  settings.lock_wait = std::chrono::seconds(0);
  const auto spool = spool::Spool::open(settings);
  if (!spool) return std::unexpected(spool.error());
  return change.in_spool(**spool);
}

Result<std::uint64_t> change_anywhere(const CommandLine& line, const DaemonAddress& daemon,
                                      const Change& change) {
  const auto answer = call(daemon, change.method, change.path);
  if (!answer && answer.error().kind == ErrorKind::unavailable) return change_in_spool(line, change);
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != 200) return fail(ErrorKind::unavailable, complaint(*answer));
  simdjson::dom::parser parser;
  const auto json = parse_json(parser, answer->body);
  if (!json) return std::unexpected(json.error());
  return static_cast<std::uint64_t>(integer_of(*json, change.done));
}

int make(const CommandLine& line, const Change& change) {
  const auto daemon = find_daemon(line);
  if (!daemon) return daemon.error();
  const auto count = change_anywhere(line, *daemon, change);
  if (!count) return failed(count.error());
  if (line.json) {
    std::string out;
    JsonWriter(out).begin_object().field(change.done, *count).end_object();
    fmt::print("{}\n", out);
  } else {
    fmt::print("{} {}\n", change.done, *count);
  }
  return kFine;
}

std::string letters_path(const CommandLine& line) {
  return "/api/spanferry/v1/dead-letters/" + percent_encode(line.argument);
}

}  // namespace

int dead_retry_command(const CommandLine& line) {
  return make(line, {"POST", letters_path(line) + "/retry", "retried",
                     [&](spool::Spool& spool) { return spool.retry_dead_letters(line.argument); }});
}

int dead_drop_command(const CommandLine& line) {
  return make(line, {"DELETE", letters_path(line), "dropped",
                     [&](spool::Spool& spool) { return spool.drop_dead_letters(line.argument); }});
}

}  // namespace spanferry::daemon
