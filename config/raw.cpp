#include "config/raw.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace spanferry::config {
void Problems::add(std::string_view where, std::string_view key, std::string_view what) {
  lines.push_back(key.empty() ? fmt::format("{}: {}", where, what)
                              : fmt::format("{}: {}: {}", where, key, what));
}

MapReader::MapReader(std::string file, std::string label, std::vector<const KeySpec*> table,
                     std::vector<std::string_view> special_names, Problems& problems)
    : file_(std::move(file)),
      label_(std::move(label)),
      table_(std::move(table)),
      special_(std::move(special_names)),
      problems_(problems) {}

std::string MapReader::where(Position at) const { return fmt::format("{}:{}:{}", file_, at.line, at.column); }

std::string MapReader::origin(Position at) const { return fmt::format("{}:{}", file_, at.line); }

std::string MapReader::shown(std::string_view path) const {
  return label_.empty() ? std::string(path) : fmt::format("{}.{}", label_, path);
}

const KeySpec* MapReader::find(std::string_view path) const {
  const auto it = std::ranges::find(table_, path, [](const KeySpec* key) { return key->path; });
  return it == table_.end() ? nullptr : *it;
}

bool MapReader::is_special(std::string_view path) const {
  return std::ranges::find(special_, path) != special_.end();
}

bool MapReader::is_group(std::string_view path) const {
  return std::ranges::any_of(table_, [&](const KeySpec* key) {
    return key->path.size() > path.size() && key->path.starts_with(path) && key->path[path.size()] == '.';
  });
}

bool MapReader::expect_map(const std::string& path, const Node& value) {
  if (value.kind == Node::Kind::map) return true;
  if (value.kind != Node::Kind::null) problems_.add(where(value.at), shown(path), "must be a map of keys");
  return false;
}

std::optional<Raw> MapReader::leaf(const std::string& path, const Node::Entry& entry) {
  const Node& value = entry.value;
  Raw raw{.texts = {},
          .is_list = value.kind == Node::Kind::list,
          .origin = origin(value.at),
          .where = where(value.at)};
  switch (value.kind) {
    case Node::Kind::null:
      return std::nullopt;  // a key without a value says nothing
    case Node::Kind::scalar:
      raw.texts.push_back(value.text);
      return raw;
    case Node::Kind::list:
      for (const auto& item : value.items) {
        if (item.kind != Node::Kind::scalar) {
          problems_.add(where(item.at), shown(path), "a list of plain values is expected");
          return std::nullopt;
        }
        raw.texts.push_back(item.text);
      }
      return raw;
    case Node::Kind::map:
      problems_.add(where(value.at), shown(path), "takes a value, not a map");
      return std::nullopt;
  }
  return std::nullopt;
}

void MapReader::repeated(const std::string& path, Position at, Position first) {
  problems_.add(where(at), shown(path),
                fmt::format("repeated; it stands first at {}:{}", first.line, first.column));
}

void MapReader::unknown(const std::string& path, Position at) {
  std::vector<std::string_view> known(special_);
  for (const auto* key : table_) known.push_back(key->path);
  const auto near = nearest(path, known);
  problems_.add(where(at), shown(path),
                near.empty() ? "unknown key" : fmt::format("unknown key (nearest known key: {})", near));
}

}  // namespace spanferry::config
