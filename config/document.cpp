#include "config/document.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace spanferry::config {
namespace {

struct Refused {
  Position at;
  std::string problem;
};

Position position(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

Node convert(const YAML::Node& yaml, std::size_t& nodes, int depth) {
  Node node;
  node.at = position(yaml.Mark());
  if (++nodes > kMaxNodes) throw Refused{node.at, fmt::format("more than {} values", kMaxNodes)};
  if (depth > kMaxDepth) throw Refused{node.at, fmt::format("nested deeper than {}", kMaxDepth)};
  switch (yaml.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      break;
    case YAML::NodeType::Scalar:
      node.kind = Node::Kind::scalar;
      node.text = yaml.Scalar();
      break;
    case YAML::NodeType::Sequence:
      node.kind = Node::Kind::list;
      for (const auto& item : yaml) node.items.push_back(convert(item, nodes, depth + 1));
      break;
    case YAML::NodeType::Map:
      node.kind = Node::Kind::map;
      for (const auto& entry : yaml) {
        const auto at = position(entry.first.Mark());
        if (!entry.first.IsScalar()) throw Refused{at, "a key must be a plain text"};
        node.entries.push_back({entry.first.Scalar(), at, convert(entry.second, nodes, depth + 1)});
      }
      break;
  }
  return node;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  const auto it = std::ranges::find(entries, key, &Entry::key);
  return it == entries.end() ? nullptr : &it->value;
}

Result<Node> parse_document(const std::string& text) {
  if (text.size() > kMaxFileBytes)
    return fail(ErrorKind::too_large,
                fmt::format("1:1: {} bytes; at most {} are read", text.size(), kMaxFileBytes));
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.empty())
      return Node{.kind = Node::Kind::map, .at = {1, 1}, .text = {}, .items = {}, .entries = {}};
    if (documents.size() > 1) {
      const auto at = position(documents[1].Mark());
      return fail(ErrorKind::invalid_input,
                  fmt::format("{}:{}: a second document; one file is one configuration", at.line, at.column));
    }
    std::size_t nodes = 0;
    return convert(documents.front(), nodes, 0);
  } catch (const Refused& refused) {
    return fail(ErrorKind::invalid_input,
                fmt::format("{}:{}: {}", refused.at.line, refused.at.column, refused.problem));
  } catch (const YAML::Exception& e) {
    const auto at = position(e.mark);
    return fail(ErrorKind::invalid_input,
                fmt::format("{}:{}: not YAML: {}", std::max(at.line, 1), std::max(at.column, 1), e.msg));
  } catch (const std::exception& e) {
    return fail(ErrorKind::invalid_input, fmt::format("1:1: not YAML: {}", e.what()));
  }
}

}  // namespace spanferry::config
