#include "daemon/log.hpp"

#include <chrono>
#include <cstdlib>
#include <memory>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/json_writer.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {
namespace {

std::string rfc3339(std::int64_t unix_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), (time - seconds).count());
}

std::string_view cut(std::string_view message) { return message.substr(0, kMaxLogLineBytes); }

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

class LineFormatter : public spdlog::formatter {
 public:
  explicit LineFormatter(LineStyle style) : style_(style) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(message.time).time_since_epoch().count();
    const std::string_view text(message.payload.data(), message.payload.size());
    const auto level = level_name(message.level);
    const auto line = style_.form == LineStyle::Form::json   ? log_line_json(ms, level, text)
                      : style_.form == LineStyle::Form::text ? log_line_text(ms, level, text)
                                                             : log_message(text);
    if (style_.with_priority) {
      const auto prefix = priority_prefix(level);
      out.append(prefix.data(), prefix.data() + prefix.size());
    }
    out.append(line.data(), line.data() + line.size());
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(style_);
  }

 private:
  LineStyle style_;
};

}  // namespace

std::string_view priority_prefix(std::string_view level) {
  if (level == "error") return "<3>";
  if (level == "warn") return "<4>";
  return level == "info" ? "<6>" : "<7>";
}

std::string log_line_json(std::int64_t unix_ms, std::string_view level, std::string_view message) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("time", rfc3339(unix_ms))
      .field("level", level)
      .field("message", log_message(message))
      .end_object();
  return out;
}

// What a far side or a sender wrote must not forge lines or drive the terminal.
std::string log_message(std::string_view message) { return printable(cut(message)); }

std::string log_line_text(std::int64_t unix_ms, std::string_view level, std::string_view message) {
  return fmt::format("{} {:<5} {}", rfc3339(unix_ms), level, log_message(message));
}

bool is_journal(std::string_view journal_stream, int descriptor) {
  struct stat what{};
  if (journal_stream.empty() || ::fstat(descriptor, &what) != 0) return false;
  return journal_stream == fmt::format("{}:{}", what.st_dev, what.st_ino);
}

LineStyle line_style(config::LogFormat format, bool is_terminal, bool is_journal) {
  using Form = LineStyle::Form;
  if (format == config::LogFormat::json) return {Form::json, is_journal};
  if (format == config::LogFormat::text) return {Form::text, is_journal};
  if (is_journal) return {Form::message, true};
  return {is_terminal ? Form::text : Form::json, false};
}

void start_logging(const config::Settings& settings) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  const auto style = line_style(settings.log_format, ::isatty(STDERR_FILENO) == 1,
                                is_journal(stream == nullptr ? "" : stream, STDERR_FILENO));
  auto logger =
      std::make_shared<spdlog::logger>("spanferry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<LineFormatter>(style));
  logger->set_level(spdlog::level::from_str(settings.log_level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(const std::string& level) { spdlog::set_level(spdlog::level::from_str(level)); }

}  // namespace spanferry::daemon
