// Where log lines go: text for people on a terminal, one JSON object a line for programs. Standard error.
#pragma once

#include <string>

#include "config/settings.hpp"

namespace spanferry::daemon {

inline constexpr std::size_t kMaxLogLineBytes = 8192;

// Sets the process's default logger. Call before other threads start.
void start_logging(const config::Settings& settings);

// One line, without its newline; at most kMaxLogLineBytes of a message are kept.
std::string log_line_json(std::int64_t unix_ms, std::string_view level, std::string_view message);
std::string log_line_text(std::int64_t unix_ms, std::string_view level, std::string_view message);

}  // namespace spanferry::daemon
