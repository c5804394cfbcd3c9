// What an operator can do about what a probe met.
#pragma once

#include <string>

#include "net/http_client.hpp"
#include "uploader/endpoint.hpp"

namespace spanferry::uploader {

// About no answer at all.
std::string remedy_of(net::TransportFailure failure, const Endpoint& endpoint);
// About an answer that a setting here has to change for.
std::string config_remedy(int status);
// A page for people where an API was asked: a captive portal, a login, another server.
bool is_web_page(const net::HttpResponse& answer);

}  // namespace spanferry::uploader
