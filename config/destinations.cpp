#include "config/destinations.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/lower.hpp"

namespace spanferry::config {
namespace {

using Destination = uploader::DestinationSettings;

bool has_word(std::string_view words, std::string_view word) {
  return fmt::format(" {} ", words).contains(fmt::format(" {} ", word));
}

bool is_loopback_url(std::string_view url) {
  auto host = url.substr(url.find("://") + 3);
  host = host.substr(0, host.find('/'));
  if (host.starts_with('[')) return host.substr(0, host.find(']')) == "[::1";
  host = host.substr(0, host.find(':'));
  return host == "localhost" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool sends_credential(const Destination& d) {
  if (!d.token.empty() || !d.client_secret.empty() || !d.password.empty() || !d.headers_file.empty())
    return true;
  return std::ranges::any_of(d.headers, [](const auto& header) {
    const auto name = lower(header.first);
    return name.contains("auth") || name.contains("key") || name.contains("token") || name == "cookie";
  });
}

class DestinationBuilder {
 public:
  DestinationBuilder(const RawDestination& raw, Problems& problems, std::vector<Shown>& shown,
                     std::vector<std::string>& notices)
      : raw_(raw), problems_(problems), shown_(shown), notices_(notices), before_(problems.lines.size()) {}

  std::optional<Destination> build() {
    find_kind();
    for (const auto& key : destination_keys()) take(key);
    take_headers();
    take_from_profile();
    if (kind_known_) check_whole();
    if (problems_.lines.size() > before_) return std::nullopt;
    if (sends_credential(destination_) && destination_.url.starts_with("http://") &&
        !is_loopback_url(destination_.url))
      notices_.push_back(
          fmt::format("destination {}: its credential goes over plain http:// and can be read on the way; "
                      "use https://",
                      destination_.name));
    return std::move(destination_);
  }

 private:
  [[nodiscard]] bool said(std::string_view key) const {
    const auto it = raw_.values.find(key);
    return it != raw_.values.end() && !it->second.blank();
  }
  [[nodiscard]] std::string label(std::string_view key) const {
    return fmt::format("{}.{}", raw_.label, key);
  }
  void missing(std::string_view what) { problems_.add(raw_.where, raw_.label, what); }

  // What the other keys mean depends on it.
  void find_kind() {
    if (!said("kind")) return missing("`kind` is missing: databricks, mlflow, otlp or local");
    const auto& texts = raw_.values.find("kind")->second.texts;
    if (texts.empty() || !has_word("databricks mlflow otlp local", texts.front())) return;
    kind_ = texts.front();
    kind_known_ = true;
  }

  void take(const DestinationKey& key) {
    const bool applies = !kind_known_ || has_word(key.kinds, kind_);
    if (!said(key.path)) {
      if (applies && kind_known_ && !key.default_value.empty())
        shown_.push_back({label(key.path), std::string(key.default_value), "default"});
      return;
    }
    const Raw& raw = raw_.values.find(key.path)->second;
    if (!applies)
      return problems_.add(raw.where, label(key.path), fmt::format("has no meaning for kind {}", kind_));
    const auto value = parse_value(key, raw.texts, raw.is_list);
    if (!value) return problems_.add(raw.where, label(key.path), value.error());
    if (const auto problem = key.apply(destination_, *value); !problem.empty())
      return problems_.add(raw.where, label(key.path), problem);
    shown_.push_back(
        {label(key.path), key.type == Type::secret ? "(secret)" : raw.texts.front(), raw.origin});
  }

  // What stands in a profile is read from there at each use.
  void take_from_profile() {
    const auto point = [&](std::string_view key, uploader::Secret& secret) {
      if (const auto it = raw_.in_profile.find(key); it != raw_.in_profile.end())
        secret = {
            .value = {}, .file = it->second.file, .profile = it->second.profile, .key = std::string(key)};
    };
    point("token", destination_.token);
    point("client_id", destination_.client_id);
    point("client_secret", destination_.client_secret);
  }

  void take_headers() {
    if (raw_.headers.empty()) return;
    if (kind_known_ && kind_ != "otlp")
      return problems_.add(raw_.where, label("headers"), fmt::format("has no meaning for kind {}", kind_));
    for (const auto& [name, value] : raw_.headers) {
      constexpr std::string_view kTokenCharacters =
          "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
      if (name.empty() || name.find_first_not_of(kTokenCharacters) != std::string::npos)
        problems_.add(raw_.headers_origin, label("headers"),
                      fmt::format("'{}' is not a header's name", name));
      else if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        problems_.add(raw_.headers_origin, label("headers"),
                      fmt::format("the value of {} holds control characters", name));
      else
        shown_.push_back({label(fmt::format("headers.{}", name)), "(secret)", raw_.headers_origin});
    }
    destination_.headers = raw_.headers;
  }

  void check_whole() {
    if (!said("name")) missing("`name` is missing");
    if (kind_ == "local") return;
    if (!said("url")) missing("`url` is missing");
    if (said("token") && said("token_file")) missing("set one of token and token_file, not both");
    if (said("password") && said("password_file")) missing("set one of password and password_file, not both");
    const bool has_password = said("password") || said("password_file");
    if (said("username") && !has_password) missing("username needs password or password_file");
    if (!said("username") && has_password) missing("password needs username");
    const bool has_token = said("token") || said("token_file");
    if (has_token && said("username")) missing("set a token or a username with its password, not both");
    if (!raw_.headers.empty() && said("headers_file"))
      missing("set one of headers and headers_file, not both");
    if (said("experiment") && said("experiment_id"))
      missing("set one of experiment and experiment_id, not both");
    if (said("client_key") && !said("client_certificate")) missing("client_key needs client_certificate");
    if (kind_ == "databricks") check_workspace_credential(has_token);
  }

  void check_workspace_credential(bool has_token) {
    if (said("client_secret") && said("client_secret_file"))
      missing("set one of client_secret and client_secret_file, not both");
    const bool has_secret = said("client_secret") || said("client_secret_file");
    if (said("client_id") && !has_secret) missing("client_id needs client_secret or client_secret_file");
    if (!said("client_id") && has_secret) missing("client_secret needs client_id");
    const bool has_principal = said("client_id") || has_secret;
    if (has_token && has_principal)
      missing(
          fmt::format("more than one credential: a token ({}) and a client_id with its secret ({}); set one",
                      origin_of({"token", "token_file"}),
                      origin_of({"client_id", "client_secret", "client_secret_file"})));
    if (!has_token && !has_principal)
      missing(
          "a credential is missing: `token_file` or `token` (a personal access token), `client_id` with "
          "`client_secret_file` or `client_secret`, or `profile`");
  }

  [[nodiscard]] std::string origin_of(std::initializer_list<std::string_view> keys) const {
    for (const auto key : keys)
      if (said(key)) return raw_.values.find(key)->second.origin;
    return {};
  }

  const RawDestination& raw_;
  Problems& problems_;
  std::vector<Shown>& shown_;
  std::vector<std::string>& notices_;
  const std::size_t before_;
  Destination destination_;
  std::string kind_;
  bool kind_known_ = false;
};

RawDestination read_destination(const Node& item, std::size_t index, const std::string& file,
                                Problems& problems) {
  RawDestination raw;
  raw.label = fmt::format("destinations[{}]", index);
  std::vector<const KeySpec*> table;
  for (const auto& key : destination_keys()) table.push_back(&key);
  MapReader reader(file, raw.label, std::move(table), {"headers"}, problems);
  raw.where = reader.where(item.at);
  raw.values = reader.read(item, [&](const std::string&, const Node::Entry& entry) {
    raw.headers_origin = reader.origin(entry.at);
    if (entry.value.kind == Node::Kind::null) return;
    if (entry.value.kind != Node::Kind::map)
      return problems.add(reader.where(entry.value.at), raw.label + ".headers",
                          "must be a map of NAME: VALUE");
    for (const auto& header : entry.value.entries) {
      if (std::ranges::any_of(raw.headers, [&](const auto& h) { return h.first == header.key; }))
        problems.add(reader.where(header.at), raw.label + ".headers." + header.key, "repeated");
      else if (header.value.kind != Node::Kind::scalar)
        problems.add(reader.where(header.value.at), raw.label + ".headers." + header.key, "must be a text");
      else
        raw.headers.emplace_back(header.key, header.value.text);
    }
  });
  return raw;
}

}  // namespace

std::optional<Destination> build_destination(const RawDestination& raw, Problems& problems,
                                             std::vector<Shown>& shown, std::vector<std::string>& notices) {
  return DestinationBuilder(raw, problems, shown, notices).build();
}

std::vector<RawDestination> read_destinations(const Node& list, const std::string& file, Problems& problems) {
  std::vector<RawDestination> all;
  const auto where = [&](Position at) { return fmt::format("{}:{}:{}", file, at.line, at.column); };
  if (list.kind == Node::Kind::null) return all;
  if (list.kind != Node::Kind::list) {
    problems.add(where(list.at), "destinations", "must be a list, each item beginning with `- name: NAME`");
    return all;
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (list.items[i].kind != Node::Kind::map)
      problems.add(where(list.items[i].at), fmt::format("destinations[{}]", i), "must be a map of keys");
    else
      all.push_back(read_destination(list.items[i], i, file, problems));
  }
  return all;
}

Destination local_destination() {
  Destination local;
  local.name = "local";
  local.kind = uploader::Kind::local;
  return local;
}

}  // namespace spanferry::config
