// Where log lines go: text for people on a terminal, one JSON object a line for programs, the bare message
// with its priority for systemd's journal, which has the time itself. Standard error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace spanferry::daemon {

inline constexpr std::size_t kMaxLogLineBytes = 8192;

// Sets the process's default logger. Call before other threads start.
void start_logging(const config::Settings& settings);
// debug | info | warn | error, from now on.
void set_log_level(const std::string& level);

struct LineStyle {
  enum class Form : std::uint8_t { text, json, message };
  Form form;
  bool with_priority;  // "<4>" in front, which the journal takes off (sd-daemon(3))
};
LineStyle line_style(config::LogFormat format, bool is_terminal, bool is_journal);

// Whether the descriptor is the stream that $JOURNAL_STREAM names ("DEVICE:INODE", systemd.exec(5)): a child
// inherits the variable, but may have its output elsewhere.
bool is_journal(std::string_view journal_stream, int descriptor);

// "<3>" to "<7>", as syslog numbers the levels.
std::string_view priority_prefix(std::string_view level);

// The message alone, on one line.
std::string log_message(std::string_view message);

// One line, without its newline; at most kMaxLogLineBytes of a message are kept.
std::string log_line_json(std::int64_t unix_ms, std::string_view level, std::string_view message);
std::string log_line_text(std::int64_t unix_ms, std::string_view level, std::string_view message);

}  // namespace spanferry::daemon
