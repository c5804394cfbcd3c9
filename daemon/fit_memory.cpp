#include "daemon/fit_memory.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/units.hpp"
#include "daemon/budgets.hpp"
#include "daemon/quantities.hpp"

namespace spanferry::daemon {
namespace {

constexpr std::uint64_t kKiB = 1ULL << 10, kMiB = 1ULL << 20;
constexpr std::uint64_t kConnectionBytes = 16 * kKiB;  // of one that is open
constexpr std::uint64_t kFewestConnections = 128;
constexpr int kSteps = 64;  // from the defaults down to the least

struct Least {
  static constexpr std::uint64_t kInflight = 8 * kMiB;
  static constexpr std::uint64_t kUdpQueue = 2 * kMiB;
  static constexpr std::uint64_t kBatch = 512 * kKiB;
  static constexpr std::uint64_t kSpool = 2 * kMiB;  // hot payloads, one write buffer, block cache, one group
};

class Fit {
 public:
  explicit Fit(const config::Loaded& loaded) : loaded_(loaded) {}

  // `step` of kSteps on the way from the values as they are down to the least.
  [[nodiscard]] config::Settings at(int step) const {
    auto s = loaded_.settings;
    const auto lower = [&](std::uint64_t& value, std::uint64_t least) {
      if (value <= least) return;
      value = least + (value - least) / kSteps * static_cast<std::uint64_t>(kSteps - step);
    };
    if (is_default("listen.max_inflight_bytes")) lower(s.ingest.max_inflight_bytes, Least::kInflight);
    if (is_default("listen.max_body_bytes"))
      s.ingest.max_body_bytes = std::min(s.ingest.max_body_bytes, s.ingest.max_inflight_bytes);
    lower(s.ingest.udp_queue_bytes, Least::kUdpQueue);
    lower(s.spool.memory.hot_bytes, Least::kSpool);
    lower(s.spool.memory.log_buffer_bytes, Least::kSpool);
    lower(s.spool.memory.block_cache_bytes, Least::kSpool);
    lower(s.spool.memory.group_bytes, Least::kSpool);
    lower(s.spool.memory.searched_bytes, 0);
    s.spool.memory.held_bytes = s.spool.memory.log_buffer_bytes * 4;
    for (std::size_t i = 0; i < s.uploader.destinations.size(); ++i)
      if (is_default(fmt::format("destinations[{}].max_batch_bytes", i)))
        lower(s.uploader.destinations[i].max_batch_bytes, Least::kBatch);
    return s;
  }

  [[nodiscard]] bool is_default(std::string_view key) const {
    const auto shown = std::ranges::find(loaded_.shown, key, &config::Shown::key);
    return shown == loaded_.shown.end() || shown->origin == "default";
  }

 private:
  const config::Loaded& loaded_;
};

std::uint64_t sum_of(const config::Settings& settings) {
  std::uint64_t sum = 0;
  for (const auto& budget : memory_budgets(settings)) sum += budget.bytes;
  return sum;
}

// The kernel's own share (sockets, pages on their way to disk) comes out of the limit too.
std::uint64_t usable(std::uint64_t limit) { return limit / 10 * 9; }
std::uint64_t limit_for(std::uint64_t sum) { return (sum / 9 * 10 / kMiB + 1) * kMiB; }

void show(config::Loaded& loaded, std::string_view key, std::string value) {
  const auto shown = std::ranges::find(loaded.shown, key, &config::Shown::key);
  if (shown == loaded.shown.end() || shown->value == value) return;
  shown->value = std::move(value);
  shown->origin = "memory limit";
}

void show_all(config::Loaded& loaded) {
  const auto& s = loaded.settings;
  show(loaded, "listen.max_inflight_bytes", config::format_size(s.ingest.max_inflight_bytes));
  show(loaded, "listen.max_body_bytes", config::format_size(s.ingest.max_body_bytes));
  show(loaded, "listen.max_connections", fmt::format("{}", s.ingest.max_connections));
  for (std::size_t i = 0; i < s.uploader.destinations.size(); ++i)
    show(loaded, fmt::format("destinations[{}].max_batch_bytes", i),
         config::format_size(s.uploader.destinations[i].max_batch_bytes));
}

}  // namespace

Result<std::string> fit_memory(config::Loaded& loaded, const MemoryLimit& limit) {
  const Fit fit(loaded);
  const auto before = sum_of(loaded.settings);
  if (before <= usable(limit.bytes)) return std::string{};
  const auto least = sum_of(fit.at(kSteps));
  if (least > usable(limit.bytes))
    return fail(ErrorKind::configuration,
                fmt::format("the memory limit of {} ({}) is too small for this configuration, which needs at "
                            "least {}: raise it, or configure fewer destinations and smaller "
                            "listen.max_inflight_bytes, concurrency and max_batch_bytes",
                            bytes_text(limit.bytes), limit.file, bytes_text(limit_for(least))));
  int step = 1;
  while (sum_of(fit.at(step)) > usable(limit.bytes)) ++step;
  auto settings = fit.at(step);
  if (fit.is_default("listen.max_connections"))
    settings.ingest.max_connections =
        static_cast<std::uint32_t>(std::clamp(limit.bytes / 8 / kConnectionBytes, kFewestConnections,
                                              static_cast<std::uint64_t>(settings.ingest.max_connections)));
  loaded.settings = std::move(settings);
  show_all(loaded);
  return fmt::format(
      "the memory limit is {} ({}): budgets are {} instead of {}, among them listen.max_inflight_bytes {} "
      "and "
      "listen.max_connections {}; `spanferry config` lists them",
      bytes_text(limit.bytes), limit.file, bytes_text(sum_of(loaded.settings)), bytes_text(before),
      config::format_size(loaded.settings.ingest.max_inflight_bytes), loaded.settings.ingest.max_connections);
}

std::expected<config::Loaded, std::vector<std::string>> load_within_memory(const config::Input& input) {
  auto loaded = config::load(input);
  const auto limit = memory_limit();
  if (!loaded || !limit) return loaded;
  auto lowered = fit_memory(*loaded, *limit);
  if (!lowered) return std::unexpected(std::vector{lowered.error().sentence});
  if (!lowered->empty()) loaded->notices.push_back(*std::move(lowered));
  return loaded;
}

}  // namespace spanferry::daemon
