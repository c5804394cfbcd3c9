// Reading from a destination's far side, for those who answer clients in its name. A read is asked once and
// what comes of it changes nothing for what is delivered.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "model/result.hpp"

namespace spanferry::uploader {

struct ReadRequest {
  std::string method = "GET";
  std::string path{};  // with the query, below the destination's url
  std::string body{};  // JSON; empty: none
  // The path gives out a signed address (CONTRACT 2.2), and the answer is what stands behind that one. It is
  // asked without a credential. What the far side says instead of an address is the answer too.
  bool behind_signed_address = false;
  std::chrono::milliseconds deadline{2000};
  std::size_t max_answer_bytes = 16U << 20;
};

struct ReadAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

// Called once, on any thread. Errors: unavailable, timeout, too_large, unauthorized (no credential to be
// had), configuration, invalid_input, cancelled (we are stopping). Every HTTP status is an answer.
using ReadHandler = std::move_only_function<void(Result<ReadAnswer>)>;

enum class ReadState : std::uint8_t {
  none,      // no such destination, or none that can be read from
  unproven,  // it has not answered yet
  ok,
  away,  // nobody should wait for it; we look for it ourselves
};

}  // namespace spanferry::uploader
