#include "config/profiles.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "model/databricks_profiles.hpp"

namespace spanferry::config {
namespace {

constexpr std::string_view kSupported =
    "pat (a token) and oauth-m2m (client_id with client_secret) are supported";

bool has(const RawDestination& destination, std::string_view key) {
  const auto it = destination.values.find(key);
  return it != destination.values.end() && !it->second.blank();
}

bool has_credential(const RawDestination& destination) {
  constexpr std::array<std::string_view, 5> kKeys{"token", "token_file", "client_id", "client_secret",
                                                  "client_secret_file"};
  return std::ranges::any_of(kKeys, [&](std::string_view key) { return has(destination, key); });
}

// Empty: nothing says where it is.
std::string path_of_profiles(const Environment& environment) {
  std::string path(variable(environment, "DATABRICKS_CONFIG_FILE"));
  if (path.empty()) path = "~/.databrickscfg";
  if (!path.starts_with("~/")) return path;
  const auto home = variable(environment, "HOME");
  return home.empty() ? std::string() : fmt::format("{}/{}", home, path.substr(2));
}

std::string default_profile(const DatabricksProfiles& profiles) {
  if (const auto* settings = profiles.find(kProfileSettingsSection))
    if (const auto* named = settings->find(kDefaultProfileKey)) return named->text;
  return profiles.find("DEFAULT") != nullptr ? "DEFAULT" : std::string();
}

std::string no_such_profile(const DatabricksProfiles& profiles, std::string_view file,
                            std::string_view wanted) {
  std::vector<std::string_view> names;
  for (const auto& profile : profiles.sections)
    if (profile.name != kProfileSettingsSection) names.push_back(profile.name);
  std::string what = fmt::format("{} has no profile {}", file, wanted);
  if (const auto near = nearest(wanted, names); !near.empty())
    return fmt::format("{} (nearest: {}, at line {})", what, near, profiles.find(near)->line);
  if (names.empty()) return what + ", nor any other";
  if (constexpr std::size_t kMostNames = 10; names.size() > kMostNames) names.resize(kMostNames);
  return fmt::format("{}; it has {}", what, fmt::join(names, ", "));
}

class ProfileReader {
 public:
  ProfileReader(RawDestination& destination, const WantedProfile& wanted, std::string file,
                Problems& problems)
      : destination_(destination), wanted_(wanted), file_(std::move(file)), problems_(problems) {}

  void take(const std::string& text) {
    const auto profiles = parse_databricks_profiles(text);
    if (!profiles) return problems_.lines.push_back(fmt::format("{}:{}", file_, profiles.error().sentence));
    const std::string name = wanted_.name.empty() ? default_profile(*profiles) : wanted_.name;
    if (name.empty()) return;
    const auto* profile = name == kProfileSettingsSection ? nullptr : profiles->find(name);
    if (profile == nullptr) return problems_.add(wanted_.where, "", no_such_profile(*profiles, file_, name));
    take(*profile);
  }

 private:
  void take(const DatabricksProfile& profile) {
    const bool takes_credential = wanted_.merges_credentials || !has_credential(destination_);
    if (const auto* host = profile.find("host"); host != nullptr && !has(destination_, "url"))
      destination_.values.insert_or_assign("url", raw(*host, url_of_host(host->text)));
    if (takes_credential) {
      take_secret(profile, "token", "token_file");
      take_secret(profile, "client_id", "");
      take_secret(profile, "client_secret", "client_secret_file");
    }
    check(profile, takes_credential);
  }

  void check(const DatabricksProfile& profile, bool takes_credential) {
    const auto where = origin(profile.line);
    if (!has(destination_, "url"))
      problems_.add(where, "", fmt::format("profile {} has no `host`", profile.name));
    if (!takes_credential) return;
    if (const auto* type = profile.find("auth_type"))
      choose_credential(destination_, type->text, origin(type->line), problems_);
    else if (!has_credential(destination_))
      problems_.add(
          where, "",
          fmt::format("profile {} has no credential that can be used: {}", profile.name, kSupported));
  }

  [[nodiscard]] std::string origin(int line) const { return fmt::format("{}:{}", file_, line); }
  [[nodiscard]] Raw raw(const DatabricksProfile::Value& value, std::string text) const {
    return {.texts = {std::move(text)},
            .is_list = false,
            .origin = origin(value.line),
            .where = origin(value.line)};
  }

  void take_secret(const DatabricksProfile& profile, std::string_view key, std::string_view twin) {
    const auto* value = profile.find(key);
    if (value == nullptr || has(destination_, key) || has(destination_, twin)) return;
    destination_.values.insert_or_assign(std::string(key), raw(*value, value->text));
    destination_.in_profile.insert_or_assign(std::string(key),
                                             RawDestination::InProfile{file_, profile.name});
  }

  RawDestination& destination_;
  const WantedProfile& wanted_;
  const std::string file_;
  Problems& problems_;
};

}  // namespace

void take_profile(RawDestination& destination, const WantedProfile& wanted, const Environment& environment,
                  const Machine& machine, Problems& problems) {
  const bool is_named = !wanted.name.empty();
  const auto file = path_of_profiles(environment);
  if (file.empty()) {
    if (is_named)
      problems.add(wanted.where, "",
                   fmt::format("profile {} cannot be found: neither DATABRICKS_CONFIG_FILE nor HOME is set",
                               wanted.name));
    return;
  }
  const auto text = machine.read_file(file);
  if (!text) {
    if (is_named || text.error().kind != ErrorKind::not_found)
      problems.add(wanted.where, "",
                   is_named ? fmt::format("profile {}: {}", wanted.name, text.error().sentence)
                            : text.error().sentence);
    return;
  }
  ProfileReader(destination, wanted, file, problems).take(*text);
}

void choose_credential(RawDestination& destination, std::string_view auth_type, std::string_view where,
                       Problems& problems) {
  const auto drop = [&](std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
      destination.values.erase(key);
      destination.in_profile.erase(key);
    }
  };
  if (auth_type == "pat") {
    drop({"client_id", "client_secret", "client_secret_file"});
    if (!has(destination, "token") && !has(destination, "token_file"))
      problems.add(where, "", "auth_type pat needs a token");
  } else if (auth_type == "oauth-m2m") {
    drop({"token", "token_file"});
    if (!has(destination, "client_id") ||
        (!has(destination, "client_secret") && !has(destination, "client_secret_file")))
      problems.add(where, "", "auth_type oauth-m2m needs client_id with client_secret");
  } else {
    problems.add(where, "", fmt::format("auth_type {} is not supported: {}", auth_type, kSupported));
  }
}

std::string url_of_host(std::string_view host) {
  const auto mark = host.find("://");
  const auto scheme = mark == std::string_view::npos ? std::string_view("https") : host.substr(0, mark);
  auto rest = mark == std::string_view::npos ? host : host.substr(mark + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  return fmt::format("{}://{}", scheme, rest);
}

}  // namespace spanferry::config
