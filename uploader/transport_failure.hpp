// What an operator can do about an exchange that brought no answer.
#pragma once

#include <string>

#include "net/http_client.hpp"

namespace spanferry::uploader {

// The failure and its remedy.
std::string failure_sentence(const net::TransportError& error);

// Whether only a changed setting, here or there, ends it.
bool is_configuration(net::TransportFailure failure);

}  // namespace spanferry::uploader
