#include "ingest/head_reader.hpp"

#include <algorithm>

namespace spanferry::ingest {
namespace {

namespace http = boost::beast::http;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool same_text(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

// The headers that we judge by, each of which may come once.
class Fields {
 public:
  explicit Fields(Head& head) : head_(head) {}

  void take(http::field name, std::string_view name_text, std::string_view value) {
    switch (name) {
      case http::field::host:
        return once(has_host_, head_.host, value);
      case http::field::content_type:
        return once(head_.content_type, value);
      case http::field::content_encoding:
        return once(head_.content_encoding, value);
      case http::field::authorization:
        return once(head_.authorization, value);
      case http::field::origin:
        return once(has_origin_, head_.origin, value);
      case http::field::sec_fetch_site:
        return once(has_site_, head_.sec_fetch_site, value);
      case http::field::sec_fetch_mode:
        return once(head_.sec_fetch_mode, value);
      case http::field::sec_fetch_dest:
        return once(head_.sec_fetch_dest, value);
      case http::field::transfer_encoding:
        return take_transfer_encoding(value);
      case http::field::content_length:
        return take_length(value);
      case http::field::user_agent:
        head_.user_agent = value;
        return;
      case http::field::expect:
        head_.expects_continue = is_media_type(value, "100-continue");
        return;
      case http::field::forwarded:
      case http::field::via:
        came_by_proxy_ = true;
        return;
      case http::field::unknown:
        return take_unknown(name_text, value);
      default:
        return;
    }
  }

  [[nodiscard]] bool came_by_proxy() const { return came_by_proxy_; }

 private:
  void twice() { head_.unsound = "a header that decides about this request comes twice"; }

  void once(std::string_view& place, std::string_view value) {
    if (place.data() != nullptr) return twice();
    place = value;
  }
  void once(bool& seen, std::optional<std::string_view>& place, std::string_view value) {
    if (seen) return twice();
    seen = true;
    place = value;
  }

  void take_transfer_encoding(std::string_view value) {
    if (head_.is_http_1_0 || !same_text(value, "chunked"))
      head_.unsound = "the only Transfer-Encoding taken here is chunked, in HTTP/1.1";
  }

  void take_length(std::string_view value) {
    const bool digits = std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
    if (has_length_ || !digits) head_.unsound = "Content-Length must come once, and be one number";
    has_length_ = true;
  }

  void take_unknown(std::string_view name, std::string_view value) {
    if (same_text(name, "x-spanferry-hop")) return once(head_.hop, value);
    if (same_text(name, "x-mlflow-experiment-id")) return once(head_.route.experiment_id, value);
    if (same_text(name, "x-spanferry-experiment")) return once(head_.route.experiment_name, value);
    if (same_text(name, "x-databricks-uc-table-name")) return once(head_.route.table, value);
    if (same_text(name, "x-forwarded-for")) came_by_proxy_ = true;
  }

  Head& head_;
  bool has_host_ = false, has_origin_ = false, has_site_ = false, has_length_ = false;
  bool came_by_proxy_ = false;
};

// The part of a target that is in the absolute form, after its scheme; nothing: another form.
std::optional<std::string_view> after_scheme(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (target.size() >= scheme.size() && same_text(target.substr(0, scheme.size()), scheme))
      return target.substr(scheme.size());
  return std::nullopt;
}

// Path and query. The absolute form must be taken, and its host counts, not that of the header (RFC 9112,
// 3.2.2).
void take_target(std::string_view target, Head& head) {
  if (const auto rest = after_scheme(target)) {
    const std::size_t end = std::min(rest->find_first_of("/?"), rest->size());
    head.host = rest->substr(0, end);
    target = end < rest->size() ? rest->substr(end) : std::string_view("/");
  } else if (!target.starts_with('/') && target != "*") {
    head.unsound = "the target must be a path";
  }
  const std::size_t question = target.find('?');
  head.path = target.substr(0, question);
  if (question != std::string_view::npos) head.query = target.substr(question + 1);
}

}  // namespace

Head head_of(const http::request_parser<http::buffer_body>& parser, bool peer_is_loopback) {
  const auto& message = parser.get();
  Head head;
  head.method = view(message.method_string());
  head.is_http_1_0 = message.version() < 11;
  head.keep_alive = message.keep_alive();
  head.chunked = parser.chunked();
  if (const auto length = parser.content_length()) head.content_length = *length;
  Fields fields(head);
  for (const auto& field : message) fields.take(field.name(), view(field.name_string()), view(field.value()));
  take_target(view(message.target()), head);
  head.expects_continue = head.expects_continue && !head.is_http_1_0;
  head.peer_is_loopback = peer_is_loopback && !fields.came_by_proxy();
  return head;
}

}  // namespace spanferry::ingest
