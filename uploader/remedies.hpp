// What an operator can do about an exchange that brought no answer, or one that no retry will change.
#pragma once

#include <string>
#include <string_view>

#include "net/http_client.hpp"
#include "uploader/sender.hpp"

namespace spanferry::uploader {

// The failure and its remedy.
std::string failure_sentence(const net::TransportError& error);

// Whether only a changed setting, here or there, ends it.
bool is_configuration(net::TransportFailure failure);

// What has to be changed after an answer whose ruling is `config`. `excerpt`: what of it may be shown.
std::string config_sentence(std::string_view url, int status, Surface surface, std::string_view excerpt);

}  // namespace spanferry::uploader
