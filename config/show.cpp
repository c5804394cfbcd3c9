#include "config/show.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/keys.hpp"
#include "model/json_writer.hpp"

namespace spanferry::config {
namespace {

std::string type_name(const KeySpec& key) {
  const auto bounds = [&](std::string_view name, auto format) {
    std::string text(name);
    if (key.minimum > 0) text += fmt::format(", from {}", format(key.minimum));
    if (key.maximum < UINT64_MAX) text += fmt::format(", up to {}", format(key.maximum));
    return text;
  };
  switch (key.type) {
    case Type::text:
      return "text";
    case Type::secret:
      return "secret";
    case Type::boolean:
      return "true or false";
    case Type::count:
      return bounds("number", [](std::uint64_t n) { return fmt::format("{}", n); });
    case Type::size:
      return bounds("size", format_size);
    case Type::duration:
      return bounds("duration", [](std::uint64_t n) {
        return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(n)));
      });
    case Type::choice: {
      std::string text;
      for (const char c : key.choices) c == '|' ? text += "`, `" : text += c;
      return fmt::format("`{}`", text);
    }
    case Type::addresses:
      return "address or list";
    case Type::texts:
      return "list";
    case Type::map:
      return "map";
  }
  return {};
}

std::string default_text(const KeySpec& key) {
  if (!key.default_value.empty()) return fmt::format("`{}`", key.default_value);
  return std::string(key.default_note);
}

constexpr std::string_view kIntroduction = R"(# Configuration

<!-- Made from the table of keys by `spanferry config --reference`; a test compares the two. -->

Nothing has to be configured: without a destination, spans are kept and shown by this machine alone.

`spanferry config` prints every value that is in force and where it came from, secrets masked.

## Where values come from

A flag beats the environment, which beats the file, which beats the default.

- **Flags**: `--set KEY=VALUE` for every key outside lists; repeat it for a key that takes a list.
- **Environment**: `SPANFERRY_` and the key's path in capitals, dots as `_`: `SPANFERRY_SPOOL_MAX_BYTES=2GiB`. Lists
  with commas. An empty variable counts as unset. An unknown name is an error, except for those that Kubernetes makes
  for a Service (`SPANFERRY_SERVICE_HOST`, `SPANFERRY_PORT_4318_TCP_ADDR`, ...).
- **File**: YAML, from `--config FILE`, else `$SPANFERRY_CONFIG`, else `/etc/spanferry/spanferry.yaml` if it is there.
  Unknown and repeated keys are errors; all errors are told at once, with line and column.

Sizes: `4096`, `64KiB`, `64MiB`, `1GB`, `0`. Durations: `50ms`, `2s`, `10min`, `1h`, `30d`, `0`. Booleans: `true`,
`false`.

## Changing it while the daemon runs

The file is read again when it changes, and on SIGHUP (`systemctl reload`). Destinations, `routes`, `context`, `log.level`,
`drain.timeout` and `spool.retain` are taken over at once; a line names what else changed and takes a restart. An invalid
file changes nothing: its errors are logged and the old configuration stays in force.

- A destination that is added starts at its `from`. One that is changed stops and goes on where it was; what it had in
  flight is sent again. The others are not touched.
- One that is removed or renamed no longer holds the log. What it had pending is told by `spanferry status` until
  `spanferry spool forget NAME`; its dead letters are kept that long.
)";

constexpr std::string_view kEnvironment = R"(
## The environment of an app, moved here

These make one destination named `env`, if the file lists none; else they are ignored, and one line says which.

| variables | destination |
|---|---|
| `MLFLOW_TRACKING_URI=databricks` (or only `DATABRICKS_HOST`), `DATABRICKS_HOST`, and `DATABRICKS_TOKEN` or `DATABRICKS_TOKEN_FILE`, or `DATABRICKS_CLIENT_ID` with `DATABRICKS_CLIENT_SECRET` or `DATABRICKS_CLIENT_SECRET_FILE` | kind `databricks` |
| `MLFLOW_TRACKING_URI=databricks://PROFILE`, or `MLFLOW_TRACKING_URI=databricks` with `DATABRICKS_CONFIG_PROFILE`; `DATABRICKS_CONFIG_FILE` | kind `databricks`, by a profile |
| `MLFLOW_TRACKING_URI=http(s)://...`, `MLFLOW_TRACKING_TOKEN` or `MLFLOW_TRACKING_TOKEN_FILE`; or `MLFLOW_TRACKING_USERNAME` with `MLFLOW_TRACKING_PASSWORD` or `MLFLOW_TRACKING_PASSWORD_FILE` | kind `mlflow` |
| `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS` (`NAME=VALUE,...`) or `OTEL_EXPORTER_OTLP_HEADERS_FILE`, with none of the above | kind `otlp` |

`MLFLOW_EXPERIMENT_NAME` or `MLFLOW_EXPERIMENT_ID` gives the experiment; the id decides where both are set.

`MLFLOW_TRACKING_SERVER_CERT_PATH` and `MLFLOW_TRACKING_CLIENT_CERT_PATH`, and for `otlp`
`OTEL_EXPORTER_OTLP_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and `OTEL_EXPORTER_OTLP_CLIENT_KEY`, give
`ca_file`, `client_certificate` and `client_key`.

A profile is a section of `~/.databrickscfg` with `host` and `token`, or `client_id` with `client_secret`. The
environment beats it field by field, as with Databricks' own tools. With neither a host nor a credential in the
environment, the file's default profile counts. A token next to a client id is an error unless `DATABRICKS_AUTH_TYPE`
(or the profile's `auth_type`) chooses `pat` or `oauth-m2m`; other kinds are not supported, and an error says so.

These hold for destinations from the file too:

- `HTTPS_PROXY`, `HTTP_PROXY` (by the destination's scheme; `ALL_PROXY` for both) name a proxy:
  `http://USER:PASSWORD@HOST:PORT`, also `https://` and `socks5h://`. `NO_PROXY` lists names (which stand for what is
  below them too), addresses and networks that are reached without one, `*` means all. Small letters go before
  capitals. A loopback destination never has a proxy.
- `SSL_CERT_FILE` is the file of trusted authorities where a destination has no `ca_file`.
)";

constexpr std::string_view kExample = R"(
## An example

```yaml
listen:
  http: [127.0.0.1:4318, "[::1]:4318"]
spool:
  max_bytes: 20GiB
destinations:
  - name: workspace
    kind: databricks
    url: https://dbc-a1b2345c-d6e7.cloud.databricks.com
    token_file: /run/secrets/databricks-token
    experiment: /Shared/production-genai-app
  - name: backup
    kind: otlp
    url: http://collector.internal:4318
routes:
  - match: {resource.service.name: "chat-*"}
    experiment: /Shared/chat
context:
  environment: production
```
)";

void table_row(std::string& out, const KeySpec& key, std::string_view name, std::string_view extra) {
  fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {}{} |\n", name, type_name(key),
                 default_text(key), key.help, extra);
}

constexpr std::string_view kTableHead = "| key | type | default | what it does |\n|---|---|---|---|\n";

}  // namespace

std::string to_text(const Loaded& loaded) {
  std::string out = loaded.file.empty() ? std::string("no configuration file\n")
                                        : fmt::format("configuration file: {}\n", loaded.file);
  std::size_t key_width = 0, value_width = 0;
  for (const auto& line : loaded.shown) {
    key_width = std::max(key_width, line.key.size());
    value_width = std::max(value_width, std::min<std::size_t>(line.value.size(), 40));
  }
  for (const auto& line : loaded.shown)
    fmt::format_to(std::back_inserter(out), "{:<{}}  {:<{}}  {}\n", line.key, key_width,
                   line.value.empty() ? "-" : line.value, value_width, line.origin);
  for (const auto& notice : loaded.notices) fmt::format_to(std::back_inserter(out), "note: {}\n", notice);
  return out;
}

std::string to_json(const Loaded& loaded) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("file", loaded.file).key("values").begin_array();
  for (const auto& line : loaded.shown)
    json.begin_object()
        .field("key", line.key)
        .field("value", line.value)
        .field("origin", line.origin)
        .end_object();
  json.end_array().key("notices").begin_array();
  for (const auto& notice : loaded.notices) json.value(notice);
  json.end_array().end_object();
  return out;
}

std::string reference() {
  std::string out(kIntroduction);
  out += "\n## Keys\n\n";
  out += kTableHead;
  for (const auto& key : keys()) table_row(out, key, key.path, "");
  out +=
      "\n## `destinations[]`\n\nA list; none: the environment's, else `local` alone. A key that has no "
      "meaning "
      "for a kind is an error.\n\n";
  out += kTableHead;
  for (const auto& key : destination_keys()) {
    const auto extra =
        key.kinds == "databricks mlflow otlp local" ? std::string{} : fmt::format(" ({})", key.kinds);
    table_row(out, key, key.path, extra);
    if (key.path == "password_file")
      out += "| `headers` | map | none | Sent with every request; values are secrets. (otlp) |\n";
  }
  out += "\n## `routes[]`\n\nFor spans whose sender names no experiment.\n\n";
  out += kTableHead;
  for (const auto& key : route_keys()) table_row(out, key, key.path, "");
  out +=
      "\n## `context`\n\nTags for traces that carry none of their own; any further tag name may stand "
      "here.\n\n";
  out += kTableHead;
  for (const auto& key : context_keys()) table_row(out, key, key.path, "");
  out += kEnvironment;
  out += kExample;
  return out;
}

}  // namespace spanferry::config
