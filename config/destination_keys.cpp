// The keys of one destination.
#include <algorithm>
#include <array>
#include <cctype>

#include "config/keys.hpp"

namespace spanferry::config {
namespace {

using Destination = uploader::DestinationSettings;

constexpr std::uint64_t kKiB = 1ULL << 10, kMiB = 1ULL << 20;
constexpr std::uint64_t kSecond = 1000, kDay = 86'400 * kSecond;

const std::string& text(const Value& v) { return std::get<std::string>(v); }
std::chrono::milliseconds duration(const Value& v) { return std::get<std::chrono::milliseconds>(v); }

std::string set_name(Destination& d, const Value& v) {
  const auto& name = text(v);
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  if (name.empty() || name.size() > 64 || name.find_first_not_of(kAllowed) != std::string::npos)
    return "must be 1 to 64 of a-z, 0-9, '-' and '_'";
  d.name = name;
  return {};
}

std::string set_kind(Destination& d, const Value& v) {
  using uploader::Kind;
  d.kind = text(v) == "databricks" ? Kind::databricks
           : text(v) == "mlflow"   ? Kind::mlflow
           : text(v) == "otlp"     ? Kind::otlp
                                   : Kind::local;
  return {};
}

std::string set_url(Destination& d, const Value& v) {
  const auto& url = text(v);
  const auto scheme = url.find("://");
  const auto kind = std::string_view(url).substr(0, scheme == std::string::npos ? 0 : scheme);
  if (kind != "http" && kind != "https") return "must begin with http:// or https://";
  const auto rest = std::string_view(url).substr(scheme + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.front() == ':') return "names no host";
  if (authority.contains('@')) return "must not hold a user name or password; use their own keys";
  if (url.find_first_of("?# \t\r\n") != std::string::npos)
    return "must not hold a query, a fragment or white space";
  d.url = url;
  while (d.url.ends_with('/')) d.url.pop_back();
  return {};
}

std::string set_experiment_id(Destination& d, const Value& v) {
  if (text(v).find_first_not_of("0123456789") != std::string::npos) return "must be digits";
  d.experiment_id = text(v);
  return {};
}

std::string set_unity_catalog(Destination& d, const Value& v) {
  const std::string_view path = text(v);
  const auto dots = std::ranges::count(path, '.');
  const bool has_empty_name = path.starts_with('.') || path.ends_with('.') || path.contains("..");
  if (!path.empty() && (dots < 1 || dots > 2 || has_empty_name))
    return "must be catalog.schema.prefix, or catalog.schema";
  d.unity_catalog = path;
  return {};
}

std::string set_sql_warehouse_id(Destination& d, const Value& v) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  if (!std::ranges::all_of(text(v), is_plain)) return "must be the warehouse's id, not its name or path";
  d.sql_warehouse_id = text(v);
  return {};
}

const std::array<DestinationKey, 31> kKeys{{
    {{"name", Type::text, "", "required",
      "Its name in status, logs and metrics, and of its place in the log."},
     "databricks mlflow otlp local",
     set_name},
    {{"kind", Type::choice, "", "required", "What the far side is.", 0, UINT64_MAX,
      "databricks|mlflow|otlp|local"},
     "databricks mlflow otlp local",
     set_kind},
    {{"url", Type::text, "", "required",
      "The workspace, MLflow server or OTLP backend. For `otlp`, /v1/traces is added unless it is there."},
     "databricks mlflow otlp",
     set_url},
    {{"token", Type::secret, "", "none",
      "Bearer token: a personal access token of the workspace, or what the MLflow server wants. `databricks` "
      "needs a token, client_id with client_secret, or a profile."},
     "databricks mlflow",
     [](Destination& d, const Value& v) { return d.token.value = text(v), std::string(); }},
    {{"token_file", Type::text, "", "none", "A file that holds the token; read anew at each use."},
     "databricks mlflow",
     [](Destination& d, const Value& v) { return d.token.file = text(v), std::string(); }},
    {{"client_id", Type::text, "", "none",
      "A service principal's application id; its access tokens are had by OAuth."},
     "databricks",
     [](Destination& d, const Value& v) { return d.client_id.value = text(v), std::string(); }},
    {{"client_secret", Type::secret, "", "none", "Its OAuth secret."},
     "databricks",
     [](Destination& d, const Value& v) { return d.client_secret.value = text(v), std::string(); }},
    {{"client_secret_file", Type::text, "", "none", "A file that holds the secret; read anew at each use."},
     "databricks",
     [](Destination& d, const Value& v) { return d.client_secret.file = text(v), std::string(); }},
    {{"profile", Type::text, "", "none",
      "A profile of $DATABRICKS_CONFIG_FILE or ~/.databrickscfg: its host, where url is not set, and its "
      "token or client_id with client_secret, where the destination has no credential itself; read anew at "
      "each use."},
     "databricks",
     [](Destination&, const Value&) { return std::string(); }},
    {{"username", Type::text, "", "none", "For MLflow's basic authentication."},
     "mlflow",
     [](Destination& d, const Value& v) { return d.username = text(v), std::string(); }},
    {{"password", Type::secret, "", "none", "For MLflow's basic authentication."},
     "mlflow",
     [](Destination& d, const Value& v) { return d.password.value = text(v), std::string(); }},
    {{"password_file", Type::text, "", "none", "A file that holds the password; read anew at each use."},
     "mlflow",
     [](Destination& d, const Value& v) { return d.password.file = text(v), std::string(); }},
    {{"headers_file", Type::text, "", "none",
      "A file with headers for every request, as `NAME=VALUE` lines, values percent-encoded; read anew at "
      "each "
      "use."},
     "otlp",
     [](Destination& d, const Value& v) { return d.headers_file = text(v), std::string(); }},
    {{"experiment", Type::text, "", "none",
      "The experiment of spans that name none, by name. Without it `mlflow` uses experiment 0, and "
      "`databricks` waits, saying so."},
     "databricks mlflow",
     [](Destination& d, const Value& v) { return d.experiment = text(v), std::string(); }},
    {{"experiment_id", Type::text, "", "none", "The same by id."}, "databricks mlflow", set_experiment_id},
    {{"create_experiment", Type::boolean, "true", "", "Make a named experiment that does not exist."},
     "databricks mlflow",
     [](Destination& d, const Value& v) { return d.create_experiment = std::get<bool>(v), std::string(); }},
    {{"unity_catalog", Type::text, "", "the experiment's own link",
      "The Unity Catalog location of an experiment that is linked to none, as catalog.schema.prefix (without "
      "a "
      "prefix: the experiment's id). It is made and linked where `create_experiment` allows; until then what "
      "is for the experiment waits."},
     "databricks",
     set_unity_catalog},
    {{"sql_warehouse_id", Type::text, "", "none",
      "The SQL warehouse that Unity Catalog tables are made, read and edited with, where the workspace wants "
      "one named; what MLflow's MLFLOW_TRACING_SQL_WAREHOUSE_ID is for an app. A search that names one keeps "
      "its own."},
     "databricks",
     set_sql_warehouse_id},
    {{"compression", Type::choice, "gzip", "", "Of request bodies.", 0, UINT64_MAX, "gzip|none"},
     "mlflow otlp",
     [](Destination& d, const Value& v) { return d.compression = text(v), std::string(); }},
    {{"max_batch_bytes", Type::size, "4MiB", "", "The largest request, before compression.", kKiB, 64 * kMiB},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) {
       return d.max_batch_bytes = std::get<std::uint64_t>(v), std::string();
     }},
    {{"concurrency", Type::count, "8", "",
      "The most requests at one time, fewer while the far side shows that it is too much; of `otlp` and "
      "`mlflow` with 16 MiB of spans in all.",
      1, 256},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) {
       return d.concurrency = static_cast<std::uint32_t>(std::get<std::uint64_t>(v)), std::string();
     }},
    {{"when_too_large", Type::choice, "dead_letter", "",
      "A span that is too large for the far side by itself (413): `dead_letter` sets it aside whole, "
      "`truncate` delivers it with its largest attributes cut, each with a marker that says how long it was.",
      0, UINT64_MAX, "dead_letter|truncate"},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) {
       return d.when_too_large = text(v) == "truncate" ? uploader::WhenTooLarge::truncate
                                                       : uploader::WhenTooLarge::dead_letter,
              std::string();
     }},
    {{"timeout", Type::duration, "60s", "",
      "Of one request, from connecting to the end of the answer; then it is sent again. Raise it where large "
      "spans go over a slow line.",
      kSecond, 3600 * kSecond},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) { return d.timeout = duration(v), std::string(); }},
    {{"from", Type::choice, "now", "",
      "Where a new destination starts in the log. The first one ever starts at the oldest span.", 0,
      UINT64_MAX, "now|oldest"},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) {
       return d.from = text(v) == "now" ? uploader::From::now : uploader::From::oldest, std::string();
     }},
    {{"when_behind", Type::choice, "", "block for the first destination, drop for the others",
      "Whether the log waits for this destination (`block`: it may fill the spool, and senders then get "
      "503), "
      "or gives up what is too old for it alone (`drop`, counted).",
      0, UINT64_MAX, "block|drop"},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) {
       return d.when_behind = text(v) == "block" ? uploader::WhenBehind::block : uploader::WhenBehind::drop,
              std::string();
     }},
    {{"max_lag_bytes", Type::size, "0", "",
      "With `when_behind: drop`: how far back in the log this destination may be. 0: half of "
      "spool.max_bytes.",
      0, 1024ULL * 1024 * 1024 * 1024 * 1024},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) {
       return d.max_lag_bytes = std::get<std::uint64_t>(v), std::string();
     }},
    {{"assemble.quiet", Type::duration, "2s", "",
      "A trace whose root span has ended is sent after this long without news.", 0, kDay},
     "databricks mlflow",
     [](Destination& d, const Value& v) { return d.assemble.quiet = duration(v), std::string(); }},
    {{"assemble.max_open", Type::duration, "10min", "",
      "A trace without a root span is sent after this, as one that goes on; when its root comes, it is told "
      "anew. Nothing closes it before that (docs/decisions/0007).",
      kSecond, 30 * kDay},
     "databricks mlflow",
     [](Destination& d, const Value& v) { return d.assemble.max_open = duration(v), std::string(); }},
    {{"ca_file", Type::text, "", "$SSL_CERT_FILE, else the system's",
      "PEM file of the authorities to trust."},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) { return d.ca_file = text(v), std::string(); }},
    {{"client_certificate", Type::text, "", "none",
      "PEM file of our own certificate with its chain, where the far side asks for one; read anew for each "
      "connection."},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) { return d.client_certificate = text(v), std::string(); }},
    {{"client_key", Type::text, "", "in client_certificate", "PEM file of its key, without a password."},
     "databricks mlflow otlp",
     [](Destination& d, const Value& v) { return d.client_key = text(v), std::string(); }},
}};

}  // namespace

std::span<const DestinationKey> destination_keys() { return kKeys; }

}  // namespace spanferry::config
