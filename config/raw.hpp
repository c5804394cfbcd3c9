// What was said, before it is understood: the texts of a value and where they stand.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.hpp"
#include "config/keys.hpp"

namespace spanferry::config {

using Environment = std::map<std::string, std::string, std::less<>>;

// The value of a variable; an empty one counts as unset.
inline std::string_view variable(const Environment& environment, std::string_view name) {
  const auto it = environment.find(name);
  return it == environment.end() ? std::string_view{} : std::string_view(it->second);
}

struct Raw {
  std::vector<std::string> texts;
  bool is_list = false;
  std::string origin;  // "FILE:LINE", "environment NAME", "flag --set"
  std::string where;   // begins a problem's line: "FILE:LINE:COLUMN", "environment NAME"

  [[nodiscard]] bool blank() const { return !is_list && texts.size() == 1 && texts.front().empty(); }
};
using RawValues = std::map<std::string, Raw, std::less<>>;

struct RawDestination {
  struct InProfile {
    std::string file, profile;
  };

  RawValues values;
  std::map<std::string, InProfile, std::less<>> in_profile;  // those of `values` that stand in a profile
  std::vector<std::pair<std::string, std::string>> headers;
  std::string headers_origin;
  std::string label;  // "destinations[0]", "destination env"
  std::string where;  // of the whole, for what is missing in it
};

// Problems of a run, one line each: "WHERE: KEY: WHAT".
class Problems {
 public:
  void add(std::string_view where, std::string_view key, std::string_view what);
  std::vector<std::string> lines;
};

// Reads a map of a file against a table. Whoever has keys of another shape takes them by `special`, which
// returns whether an entry was its own.
class MapReader {
 public:
  MapReader(std::string file, std::string label, std::vector<const KeySpec*> table,
            std::vector<std::string_view> special_names, Problems& problems);

  // `special(path, entry)` is called for the entries named in special_names.
  template <class Special>
  RawValues read(const Node& map, Special&& special) {
    RawValues values;
    read_level(map, "", values, [&](const std::string& p, const Node::Entry& e) { special(p, e); });
    return values;
  }
  [[nodiscard]] std::string where(Position at) const;
  [[nodiscard]] std::string origin(Position at) const;

 private:
  template <class Special>
  void read_level(const Node& map, const std::string& prefix, RawValues& values, const Special& special) {
    std::map<std::string_view, Position> seen;
    for (const auto& entry : map.entries) {
      const std::string path = prefix + entry.key;
      if (const auto [first, fresh] = seen.emplace(entry.key, entry.at); !fresh) {
        repeated(path, entry.at, first->second);
      } else if (is_special(path)) {
        special(path, entry);
      } else if (const auto* spec = find(path)) {
        if (auto raw = leaf(path, entry)) values.emplace(spec->path, std::move(*raw));
      } else if (is_group(path)) {
        if (expect_map(path, entry.value)) read_level(entry.value, path + ".", values, special);
      } else {
        unknown(path, entry.at);
      }
    }
  }

  [[nodiscard]] const KeySpec* find(std::string_view path) const;
  [[nodiscard]] bool is_special(std::string_view path) const;
  [[nodiscard]] bool is_group(std::string_view path) const;
  bool expect_map(const std::string& path, const Node& value);
  std::optional<Raw> leaf(const std::string& path, const Node::Entry& entry);
  void repeated(const std::string& path, Position at, Position first);
  void unknown(const std::string& path, Position at);
  [[nodiscard]] std::string shown(std::string_view path) const;

  std::string file_, label_;
  std::vector<const KeySpec*> table_;
  std::vector<std::string_view> special_;
  Problems& problems_;
};

}  // namespace spanferry::config
