// What the sink is: it takes the requests that the server has read, and knows afterwards what came.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/load/book.hpp"
#include "bench/load/ledger.hpp"
#include "model/json_writer.hpp"

namespace spanferry::bench {

struct Request {
  std::string_view method, target, head, body;
};

struct Answer {
  int status = 200;
  std::string_view type = "application/json";
  std::string body{};
  std::string headers{};  // more of them, each with its line end
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Answer answer(const Request& request) = 0;
  virtual void add_stats(JsonWriter& json) const = 0;
  [[nodiscard]] virtual Comparison compare(const Ledger& ledger) const = 0;
};

// OTLP/HTTP at any path. `check_later`: see Checker; a body that is no OTLP request is then answered 200 as
// well, and counted when it is found.
std::unique_ptr<Backend> make_otlp_backend(bool check_later);

// As much of a Databricks workspace as delivering traces needs (CONTRACT 2): experiments by any name,
// StartTrace, credentials, signed URLs of its own storage, and the tables of Unity Catalog.
struct WorkspaceOptions {
  bool check_later = false;           // of bodies to a table
  std::string table_prefix;           // catalog.schema.prefix that every experiment is linked to; empty: none
  std::uint64_t creations_per_s = 0;  // StartTraces in one second of the clock; beyond, 429. 0: any
};
std::unique_ptr<Backend> make_workspace_backend(WorkspaceOptions options);

}  // namespace spanferry::bench
