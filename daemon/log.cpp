#include "daemon/log.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "model/json_writer.hpp"
#include "model/utf8.hpp"

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
  explicit LineFormatter(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(message.time).time_since_epoch().count();
    const std::string_view text(message.payload.data(), message.payload.size());
    const auto line = json_ ? log_line_json(ms, level_name(message.level), text)
                            : log_line_text(ms, level_name(message.level), text);
    out.append(line.data(), line.data() + line.size());
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(json_);
  }

 private:
  bool json_;
};

}  // namespace

std::string log_line_json(std::int64_t unix_ms, std::string_view level, std::string_view message) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("time", rfc3339(unix_ms))
      .field("level", level)
      .field("message", repair_utf8(cut(message)))
      .end_object();
  return out;
}

std::string log_line_text(std::int64_t unix_ms, std::string_view level, std::string_view message) {
  auto line = fmt::format("{} {:<5} {}", rfc3339(unix_ms), level, repair_utf8(cut(message)));
  // What a far side or a sender wrote must not forge lines or drive the terminal.
  std::ranges::replace_if(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

void start_logging(const config::Settings& settings) {
  const bool json = settings.log_format == config::LogFormat::json ||
                    (settings.log_format == config::LogFormat::automatic && ::isatty(STDERR_FILENO) == 0);
  auto logger =
      std::make_shared<spdlog::logger>("spanferry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<LineFormatter>(json));
  logger->set_level(spdlog::level::from_str(settings.log_level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace spanferry::daemon
