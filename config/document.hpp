// A YAML file as a tree that knows where each of its nodes stands. Keys keep their order, and a repeated one
// stays visible: whoever reads the tree can tell every problem with its line and column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace spanferry::config {

inline constexpr std::size_t kMaxFileBytes = 1U << 20;
inline constexpr std::size_t kMaxNodes = 20'000;  // aliases are expanded: this bounds them
inline constexpr int kMaxDepth = 20;

struct Position {
  int line = 0, column = 0;  // from 1
};

struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  Position at;
  std::string text;            // scalar
  std::vector<Node> items;     // list
  std::vector<Entry> entries;  // map

  [[nodiscard]] const Node* find(std::string_view key) const;
};

struct Node::Entry {
  std::string key;
  Position at;
  Node value;
};

// Errors: invalid_input ("LINE:COLUMN: what is wrong"), too_large.
Result<Node> parse_document(const std::string& text);

}  // namespace spanferry::config
