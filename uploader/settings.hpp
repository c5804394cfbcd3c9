// What the operator can say about destinations.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace spanferry::uploader {

enum class Kind : std::uint8_t { databricks, mlflow, otlp, local };
enum class From : std::uint8_t { now, oldest };
// What happens when a destination is far behind: the log waits for it, or it is given up what is too old.
enum class WhenBehind : std::uint8_t { block, drop };
// What becomes of a span that is too large for the far side by itself: it is set aside whole, or delivered
// with its largest attributes cut.
enum class WhenTooLarge : std::uint8_t { dead_letter, truncate };

// Where a secret comes from; a file is read anew at each use, so that it can be changed under us.
struct Secret {
  std::string value;
  std::string file;
  std::string profile;  // the file is a Databricks configuration file: this section of it,
  std::string key;      // and this key there
  [[nodiscard]] bool empty() const { return value.empty() && file.empty(); }
  bool operator==(const Secret&) const = default;
};

struct AssembleSettings {
  std::chrono::milliseconds quiet{2000};       // a trace whose root ended goes after this without news
  std::chrono::milliseconds max_open{600000};  // a trace without a root goes after this
  bool operator==(const AssembleSettings&) const = default;
};

struct DestinationSettings {
  std::string name;
  Kind kind = Kind::local;
  std::string url;  // http(s)://host[:port][/path]; otlp: /v1/traces is added unless the path ends in it
  Secret token;     // databricks: personal access token; mlflow: bearer
  Secret client_id, client_secret;  // databricks: a service principal's, for OAuth
  std::string username;
  Secret password;
  std::vector<std::pair<std::string, std::string>> headers;  // otlp
  std::string headers_file;                                  // or from a file, read anew at each use
  std::string experiment;                                    // name
  std::string experiment_id;                                 // or id
  bool create_experiment = true;
  // databricks: catalog.schema.prefix, or catalog.schema; where an experiment that is linked nowhere is
  // linked to.
  std::string unity_catalog;
  // databricks: the SQL warehouse that serves what is asked about Unity Catalog tables; empty: the
  // workspace's choice. CONTRACT 2.3.
  std::string sql_warehouse_id;
  std::string compression = "gzip";  // otlp, mlflow: gzip | none
  std::uint64_t max_batch_bytes = 4ULL << 20;
  std::uint32_t concurrency = 8;
  From from = From::now;
  WhenBehind when_behind = WhenBehind::block;
  std::uint64_t max_lag_bytes = 0;  // for drop; 0: half of spool.max_bytes
  WhenTooLarge when_too_large = WhenTooLarge::dead_letter;
  AssembleSettings assemble;
  std::string ca_file;                         // PEM; empty: SSL_CERT_FILE, else the system's
  std::string client_certificate, client_key;  // PEM; the key may stand in the certificate's file
  std::chrono::milliseconds timeout{60000};
  bool operator==(const DestinationSettings&) const = default;
};

// Read by encoders for traces that come from plain OpenTelemetry: what fills a tag that no span and no
// resource gives. Keys: environment, app_version, deployment_id, region, or any tag name.
using ContextDefaults = std::map<std::string, std::string>;

struct Settings {
  std::vector<DestinationSettings> destinations;
  ContextDefaults context;
  std::string instance;  // of this process, sent as X-Spanferry-Hop; empty: a random one
};

}  // namespace spanferry::uploader
