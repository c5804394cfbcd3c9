#include "config/keys.hpp"

#include <algorithm>
#include <array>

namespace spanferry::config {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr std::uint64_t kKiB = 1ULL << 10, kMiB = 1ULL << 20, kTiB = 1ULL << 40;
constexpr std::uint64_t kSecond = 1000, kHour = 3600 * kSecond, kDay = 24 * kHour;

const std::string& text(const Value& v) { return std::get<std::string>(v); }
std::uint64_t number(const Value& v) { return std::get<std::uint64_t>(v); }
Milliseconds duration(const Value& v) { return std::get<Milliseconds>(v); }
std::chrono::seconds seconds(const Value& v) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration(v));
}
const std::vector<std::string>& texts(const Value& v) { return std::get<std::vector<std::string>>(v); }

std::string set_durability(Settings& s, const Value& v) {
  if (text(v) == "commit") {
    s.spool.durability = spool::Durability::commit;
  } else if (text(v) == "none") {
    s.spool.durability = spool::Durability::none;
  } else if (text(v).starts_with("interval:")) {
    const auto interval = parse_duration(std::string_view(text(v)).substr(9));
    if (!interval) return interval.error();
    if (interval->count() < 1 || *interval > Milliseconds(60'000))
      return "the interval must be between 1ms and 1min";
    s.spool.durability = spool::Durability::interval;
    s.spool.sync_interval = *interval;
  } else {
    return "'" + text(v) + "' is none of commit, interval:50ms, none";
  }
  return {};
}

std::string set_directory(Settings& s, const Value& v) {
  if (!text(v).empty() && !text(v).starts_with('/')) return "must be an absolute path";
  s.spool.directory = text(v);
  return {};
}

const std::array<Key, 23> kKeys{{
    {{"listen.http", Type::addresses, "[127.0.0.1:4318, \"[::1]:4318\"]", "",
      "Where OTLP/HTTP, the JSON API, metrics and health are served: IP:PORT, one or a list. Port 0 takes "
      "any free port; `off` or \"\" closes the door."},
     [](Settings& s, const Value& v) { return s.ingest.http = texts(v), std::string(); }},
    {{"listen.udp", Type::addresses, "[127.0.0.1:4319, \"[::1]:4319\"]", "",
      "Where datagrams are taken: IP:PORT, one or a list. `off` or \"\" closes the door."},
     [](Settings& s, const Value& v) { return s.ingest.udp = texts(v), std::string(); }},
    {{"listen.token_file", Type::text, "", "none",
      "A file with the token that callers must present, as `Authorization: Bearer` or as the password of "
      "Basic; "
      "read again when it changes."},
     [](Settings& s, const Value& v) { return s.ingest.token_file = text(v), std::string(); }},
    {{"listen.allow_remote", Type::boolean, "false", "",
      "Needed to listen wider than loopback without a token."},
     [](Settings& s, const Value& v) { return s.ingest.allow_remote = std::get<bool>(v), std::string(); }},
    {{"listen.allowed_hosts", Type::texts, "[]", "",
      "Names that a request's Host may have besides loopback names and IP addresses."},
     [](Settings& s, const Value& v) { return s.ingest.allowed_hosts = texts(v), std::string(); }},
    {{"listen.max_body_bytes", Type::size, "64MiB", "", "The largest request, after decompression.", kKiB,
      1024 * kMiB},
     [](Settings& s, const Value& v) { return s.ingest.max_body_bytes = number(v), std::string(); }},
    {{"listen.max_inflight_bytes", Type::size, "64MiB", "",
      "All requests being read or committed at one time, a quarter of it for callers on this host. Beyond it "
      "a request waits up to 1 s and then gets 503. A JSON body counts six times (more if it is dense). A "
      "request that alone is too much is refused (413).",
      kMiB, 16384 * kMiB},
     [](Settings& s, const Value& v) { return s.ingest.max_inflight_bytes = number(v), std::string(); }},
    {{"listen.max_connections", Type::count, "10000", "",
      "Open HTTP connections, a quarter of them for callers on this host. The limit of open files is raised "
      "to its hard limit; where that is lower, this "
      "follows it.",
      1, 1'000'000},
     [](Settings& s, const Value& v) {
       return s.ingest.max_connections = static_cast<std::uint32_t>(number(v)), std::string();
     }},
    {{"spool.directory", Type::text, "",
      "$STATE_DIRECTORY; /var/lib/spanferry if writable; else $XDG_STATE_HOME/spanferry",
      "Where spans are kept until they are delivered."},
     set_directory},
    {{"spool.durability", Type::text, "commit", "",
      "When a sender gets its answer: `commit` after its spans are synced to disk; `interval:50ms` after "
      "they are handed to the kernel, which is synced so often; `none` when the kernel has them."},
     set_durability},
    {{"spool.max_bytes", Type::size, "", "min(10 GiB, half of the filesystem)",
      "What the spool may take on disk, everything included.", spool::kMinMaxBytes, 1024 * kTiB},
     [](Settings& s, const Value& v) { return s.spool.max_bytes = number(v), std::string(); }},
    {{"spool.max_age", Type::duration, "0", "",
      "Spans older than this are dropped, counted; parked ones too. 0: never.", 0, 3650 * kDay},
     [](Settings& s, const Value& v) { return s.spool.max_age = seconds(v), std::string(); }},
    {{"spool.min_free_bytes", Type::size, "", "min(1 GiB, 5 % of the filesystem)",
      "What must stay free on the filesystem; below it the spool counts as full.", 0, 1024 * kTiB},
     [](Settings& s, const Value& v) { return s.spool.min_free_bytes = number(v), std::string(); }},
    {{"spool.when_full", Type::choice, "reject", "",
      "`reject`: senders get 503 and keep their spans. `drop_oldest`: the oldest spans go, counted; of what "
      "is parked too.",
      0, UINT64_MAX, "reject|drop_oldest"},
     [](Settings& s, const Value& v) {
       return s.spool.when_full =
                  text(v) == "reject" ? spool::WhenFull::reject : spool::WhenFull::drop_oldest,
              std::string();
     }},
    {{"spool.retain.bytes", Type::size, "", "16MiB; with `local` alone 2GiB, at most half of max_bytes",
      "Payloads kept for the local view after they were delivered.", 0, 1024 * kTiB},
     [](Settings& s, const Value& v) { return s.spool.retain_bytes = number(v), std::string(); }},
    {{"spool.retain.age", Type::duration, "", "1h; with `local` alone 30d",
      "How long a delivered trace is listed in the local view.", 0, 3650 * kDay},
     [](Settings& s, const Value& v) { return s.spool.retain_age = seconds(v), std::string(); }},
    {{"spool.parked_max_bytes", Type::size, "", "a quarter of max_bytes",
      "What may wait apart from the log because a destination refuses its experiment for now; part of "
      "spool.max_bytes. Beyond it senders of that experiment get 503, or, with `when_full: drop_oldest`, the "
      "oldest of it goes.",
      kMiB, 1024 * kTiB},
     [](Settings& s, const Value& v) { return s.spool.parked_max_bytes = number(v), std::string(); }},
    {{"spool.dead_letter_max_bytes", Type::size, "256MiB", "",
      "What refused spans that were set aside may take; part of spool.max_bytes, and at most a quarter of it "
      "unless this is set.",
      0, kTiB},
     [](Settings& s, const Value& v) { return s.spool.dead_letter_max_bytes = number(v), std::string(); }},
    {{"mlflow_api.mode", Type::choice, "traces", "",
      "`traces`: MLflow clients with MLFLOW_TRACKING_URI or DATABRICKS_HOST set to this address are served "
      "what "
      "their tracing needs. `off`: they are not.",
      0, UINT64_MAX, "traces|off"},
     [](Settings& s, const Value& v) {
       return s.ingest.mlflow_api.served = text(v) == "traces", std::string();
     }},
    {{"mlflow_api.destination", Type::text, "",
      "the first of kind databricks or mlflow, else what is kept here",
      "The destination whose experiments and traces MLflow clients are shown."},
     [](Settings& s, const Value& v) { return s.ingest.mlflow_api.destination = text(v), std::string(); }},
    {{"drain.timeout", Type::duration, "7s", "",
      "The longest that a stop takes: doors stay open until senders were quiet for 2 s, and delivery goes "
      "on. `docker stop` kills at 10 s.",
      0, kHour},
     [](Settings& s, const Value& v) { return s.drain_timeout = duration(v), std::string(); }},
    {{"log.level", Type::choice, "info", "", "The least severe lines that are written.", 0, UINT64_MAX,
      "debug|info|warn|error"},
     [](Settings& s, const Value& v) { return s.log_level = text(v), std::string(); }},
    {{"log.format", Type::choice, "auto", "",
      "`auto`: text on a terminal, bare messages with their level for systemd's journal, JSON lines "
      "otherwise.",
      0, UINT64_MAX, "auto|text|json"},
     [](Settings& s, const Value& v) {
       s.log_format = text(v) == "auto"   ? LogFormat::automatic
                      : text(v) == "text" ? LogFormat::text
                                          : LogFormat::json;
       return std::string();
     }},
}};

}  // namespace

std::span<const Key> keys() { return kKeys; }

std::span<const KeySpec> route_keys() {
  static constexpr std::array<KeySpec, 3> kRouteKeys{{
      {"match", Type::map, "", "required",
       "Resource attributes and the patterns they must match, as `resource.NAME: PATTERN`; `*` and `?` are "
       "wildcards. All must match; the first rule that does decides."},
      {"experiment", Type::text, "", "none", "The experiment of matching spans, by name."},
      {"experiment_id", Type::text, "", "none", "Or by id."},
  }};
  return kRouteKeys;
}

std::span<const KeySpec> context_keys() {
  static constexpr std::array<KeySpec, 4> kContextKeys{{
      {"context.environment", Type::text, "", "$ENVIRONMENT", "Tag `environment` of traces that carry none."},
      {"context.app_version", Type::text, "", "$APP_VERSION", "Tag `app_version` of traces that carry none."},
      {"context.deployment_id", Type::text, "", "$DEPLOYMENT_ID",
       "Tag `deployment_id` of traces that carry none."},
      {"context.region", Type::text, "", "$REGION", "Tag `region` of traces that carry none."},
  }};
  return kContextKeys;
}

}  // namespace spanferry::config
