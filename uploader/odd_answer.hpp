// Whether a 2xx is the answer to what was asked. A captive portal, or a proxy that wants somebody to log in,
// answers 200 with a page of its own: that is no success.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http_client.hpp"
#include "uploader/sender.hpp"

namespace spanferry::uploader {

// A sentence that says what is odd about it; nothing when it is what that call answers. `url`: as requested.
std::optional<std::string> why_odd(Surface surface, std::string_view method, std::string_view url,
                                   const net::HttpResponse& response);

}  // namespace spanferry::uploader
