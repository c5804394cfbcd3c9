// The names of a span's status.
#pragma once

#include <array>
#include <string_view>

#include "model/otlp_span.hpp"

namespace spanferry {

// As protobuf's JSON has them, by number.
inline constexpr std::array<std::string_view, 3> kStatusCodeNames{"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                                  "STATUS_CODE_ERROR"};

constexpr std::string_view protobuf_name(StatusCode code) {
  return kStatusCodeNames[static_cast<std::size_t>(code) % kStatusCodeNames.size()];
}

// Without what they all begin with: "OK".
constexpr std::string_view name(StatusCode code) {
  return protobuf_name(code).substr(std::string_view("STATUS_CODE_").size());
}

// Whatever stands before that; unset for what is none.
constexpr StatusCode status_code_named(std::string_view text) {
  for (const StatusCode code : {StatusCode::ok, StatusCode::error})
    if (text.ends_with(name(code))) return code;
  return StatusCode::unset;
}

}  // namespace spanferry
