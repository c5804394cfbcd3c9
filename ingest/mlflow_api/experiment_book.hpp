// The experiments that clients know through us: name and id, durable, so that a look-up needs nobody. With a
// destination it remembers what that one said, and the ids given out before it said anything; in `local` it
// is where experiments are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/record.hpp"
#include "model/result.hpp"

namespace spanferry::spool {
class Spool;
}

namespace spanferry::ingest {

struct Experiment {
  std::string id;      // as clients were given it, provisional ones for ever
  std::string far_id;  // at the destination; empty: not known yet, or `local`
  std::string name;
  std::int64_t created_ms = 0, updated_ms = 0;
  bool deleted = false;
  std::vector<std::pair<std::string, std::string>> tags;
  std::uint64_t made_by = 0;  // idempotency id of the request that created it
  Seq edited = 0;             // the last record by which a client here made or changed it; 0: none

  [[nodiscard]] bool provisional() const;
  void set_tag(const std::string& key, const std::string& value);
  bool operator==(const Experiment&) const = default;
};

// Any thread.
class ExperimentBook {
 public:
  // `owner`: the destination's name, `local` without one. Both outlive the book.
  ExperimentBook(spool::Spool& spool, std::string owner);
  Result<> load();

  [[nodiscard]] std::optional<Experiment> by_name(std::string_view name) const;
  // By the id clients were given, or the destination's own.
  [[nodiscard]] std::optional<Experiment> by_id(std::string_view id) const;
  [[nodiscard]] std::vector<Experiment> all() const;  // in the order they became known
  // The records by which clients here made or changed experiments, the last of each.
  [[nodiscard]] std::vector<Seq> edits() const;
  [[nodiscard]] std::size_t size() const;
  // The number that the next one without an id gets.
  [[nodiscard]] std::string next_id() const { return std::to_string(size()); }
  // Whether it is time to ask for it anew; if so, that is now. At most once in `fresh_ms`.
  bool is_due(const std::string& name, std::int64_t now_ms, std::int64_t fresh_ms);

  // Adds it, or replaces the one of that name; visible at once, `done` is called when it is durable. One
  // without an id gets the next number; one that knows of fewer edits keeps the tags that are here. The id it
  // has now. Errors: full (too many), too_large (its tags), those of the spool.
  std::string put(Experiment experiment, std::move_only_function<void(Result<>)> done = {});
  // Sets the tag of one in the book, if `key` is not empty; `edited` is the record that says so.
  void edit(std::string_view id, const std::string& key, const std::string& value, Seq edited);

 private:
  [[nodiscard]] std::string key_of(std::size_t place) const;

  spool::Spool& spool_;
  const std::string owner_;
  mutable std::mutex mutex_;
  std::vector<Experiment> all_;  // by their place in the spool
  std::map<std::string, std::size_t, std::less<>> by_name_, by_id_;
  std::map<std::string, std::int64_t> asked_ms_;  // of names in the book
};

}  // namespace spanferry::ingest
