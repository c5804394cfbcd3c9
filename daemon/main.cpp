#include <cstdio>
#include <exception>

#include "daemon/commands.hpp"

namespace {

int dispatch(const spanferry::daemon::CommandLine& line) {
  using spanferry::daemon::Command;
  switch (line.command) {
    case Command::run:
      return run_command(line);
    case Command::demo:
      return demo_command(line);
    case Command::check:
      return check_command(line);
    case Command::status:
      return status_command(line);
    case Command::trace:
      return trace_command(line);
    case Command::config:
      return config_command(line);
    case Command::send:
      return send_command(line);
    case Command::spool_inspect:
      return spool_inspect_command(line);
    case Command::spool_forget:
      return spool_forget_command(line);
    case Command::dead_list:
      return dead_list_command(line);
    case Command::dead_show:
      return dead_show_command(line);
    case Command::dead_export:
      return dead_export_command(line);
    case Command::dead_retry:
      return dead_retry_command(line);
    case Command::dead_drop:
      return dead_drop_command(line);
    case Command::version:
      return version_command(line);
  }
  return spanferry::daemon::kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto line = spanferry::daemon::parse_command_line(argc, argv);
    if (line) return dispatch(*line);
    std::fputs(line.error().out.c_str(), stdout);
    std::fputs(line.error().err.c_str(), stderr);
    return line.error().code;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "spanferry: %s\n", e.what());
    return spanferry::daemon::kFailed;
  }
}
