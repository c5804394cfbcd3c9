#include "ingest/head.hpp"

#include <algorithm>

namespace spanferry::ingest {

bool is_traces_path(std::string_view path) {
  return path == "/v1/traces" || path == "/api/2.0/otel/v1/traces";
}

bool is_media_type(std::string_view content_type, std::string_view type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ') || content_type.ends_with('\t')) content_type.remove_suffix(1);
  return std::ranges::equal(content_type, type, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

}  // namespace spanferry::ingest
