// Where commands find the daemon of this machine, and what they say when it says no.
#pragma once

#include <expected>
#include <string>

#include "config/load.hpp"
#include "daemon/client.hpp"
#include "daemon/command_line.hpp"

namespace spanferry::daemon {

config::Input input_of(const CommandLine& line);

// The daemon is found by the same configuration; one that only the daemon can read (a file of root's, a
// credential that is set for the service alone) must not keep anybody from asking at the usual place. Tells
// what is wrong; the error is an exit code.
std::expected<DaemonAddress, int> find_daemon(const CommandLine& line);

// Tells the sentence; kFailed.
int failed(const Error& error);

// What an answer other than 200 says.
std::string complaint(const Answer& answer);

}  // namespace spanferry::daemon
