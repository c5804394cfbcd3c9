#include "ingest/datagram.hpp"

#include <string>
#include <utility>

#include "ingest/decode.hpp"
#include "model/ids.hpp"
#include "model/otlp_json.hpp"

namespace spanferry::ingest {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// What follows the header line of the X-Ray daemon's protocol; nothing if there is no such line.
std::optional<std::string_view> after_header_line(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || end > 64) return std::nullopt;
  std::string line;
  for (const char c : text.substr(0, end)) {
    if (c != ' ' && c != '\t' && c != '\r') line += c;
  }
  if (line != R"({"format":"json","version":1})" && line != R"({"version":1,"format":"json"})")
    return std::nullopt;
  return trimmed(text.substr(end + 1));
}

Result<Decoded> decode_json(std::string_view text, std::uint64_t now_ns) {
  bool repaired = false;
  auto request = traces_request_from_datagram_json(text, now_ns, &repaired);
  if (!request) return std::unexpected(std::move(request.error()));
  return scan_and_keep(std::move(*request), repaired);
}

}  // namespace

Result<Decoded> decode_datagram(std::string_view bytes, std::uint64_t now_ns) {
  const std::string_view text = trimmed(bytes);
  if (text.empty()) return fail(ErrorKind::invalid_input, "the datagram is empty");
  // If it parses as a request it is one. Its first byte is the tag 0x0a, which to JSON is white space.
  auto request = scan_and_keep(std::string(bytes), false);
  if (request && request->scan.spans + request->scan.refused_spans > 0) return request;
  if (!text.starts_with('{')) {
    return fail(ErrorKind::invalid_input, "the datagram is neither an OTLP request with spans nor JSON" +
                                              (request ? std::string() : ": " + request.error().sentence));
  }
  const auto rest = after_header_line(text);
  if (!rest) return decode_json(text, now_ns);
  if (!rest->starts_with("T1S") && !rest->starts_with("T1U")) return decode_json(*rest, now_ns);
  auto decoded = base64_decode(trimmed(rest->substr(3)));
  if (!decoded) return fail(ErrorKind::invalid_input, "what follows T1S or T1U is not base64");
  return scan_and_keep(std::move(*decoded), false);
}

}  // namespace spanferry::ingest
