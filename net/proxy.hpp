// The proxies that the environment names: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in small letters
// or capitals, small letters first, as curl and Python's clients read them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace spanferry::net {

struct ProxySettings {
  std::string https, http;  // [http://|https://|socks5h://][USER:PASSWORD@]HOST[:PORT]; empty: none
  // Hosts that are reached without one, with commas or spaces between: names, which stand for what is below
  // them too; addresses; networks as 10.0.0.0/8; `*` for all.
  std::string except;
};

// `variable` gives the value of one, empty where it is not set.
ProxySettings proxies_of(const std::function<std::string(const std::string& name)>& variable);
ProxySettings proxies_of_environment();

// The proxy for a url; nothing where there is none, where the host is excepted, and for a loopback host
// whatever the settings say.
std::string_view proxy_for(const ProxySettings& settings, std::string_view url);

// HOST:PORT of a proxy, for sentences: without user and password.
std::string proxy_authority(std::string_view proxy);

}  // namespace spanferry::net
