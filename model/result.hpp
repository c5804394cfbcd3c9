// Errors as values. Every function that can fail for a reason somebody can act on returns a Result.
// Exceptions of libraries stop at the call into the library and become an Error there.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace spanferry {

// What the caller can do about an error; the sentence is what the operator can do about it.
enum class ErrorKind : std::uint8_t {
  invalid_input,  // the data cannot be understood; sending it again changes nothing
  too_large,      // a limit in bytes, items or depth is passed
  unsupported,    // a kind, encoding or version we do not know
  not_found,      // the thing named is not there
  unavailable,    // cannot be had now, may be later
  full,           // a budget or the filesystem is exhausted
  held,           // what it is for waits at its destination, and there is no room to let more wait
  timeout,        // no answer within the time given
  unauthorized,   // the credential is refused
  configuration,  // an operator has to change a setting
  damaged,        // stored bytes fail their check
  io,             // the operating system refused
  cancelled,      // we are stopping
  internal,       // a bug of ours
};

// The name as it stands in logs and JSON: "invalid_input", "too_large", ...
std::string_view name(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string sentence;  // names the field, the limit and what to do; no trailing period

  // The same error seen from further up: "PREFIX: SENTENCE".
  [[nodiscard]] Error in(std::string_view prefix) const;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string sentence) {
  return std::unexpected(Error{kind, std::move(sentence)});
}

}  // namespace spanferry
