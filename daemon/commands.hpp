// One function a command; each returns its exit code. Results go to standard output, complaints to standard
// error.
#pragma once

#include "daemon/command_line.hpp"

namespace spanferry::daemon {

int run_command(const CommandLine& line);
int demo_command(const CommandLine& line);
int check_command(const CommandLine& line);
int status_command(const CommandLine& line);
int trace_command(const CommandLine& line);
int config_command(const CommandLine& line);
int send_command(const CommandLine& line);
int spool_inspect_command(const CommandLine& line);
int spool_forget_command(const CommandLine& line);
int dead_list_command(const CommandLine& line);
int dead_show_command(const CommandLine& line);
int dead_export_command(const CommandLine& line);
int dead_retry_command(const CommandLine& line);
int dead_drop_command(const CommandLine& line);
int version_command(const CommandLine& line);

}  // namespace spanferry::daemon
