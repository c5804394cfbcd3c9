// Kinds of calls that a far side may limit apart from each other: a workspace counts the traces that are
// created, spans by OTLP and everything else by themselves (CONTRACT 2.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spanferry::uploader {

enum class Calls : std::uint8_t {
  create,   // a trace is told about: StartTrace, or the info of a trace in a table
  spans,    // by OTLP
  storage,  // a signed URL: another server, and the end of what was begun
  other,
};
inline constexpr std::size_t kCalls = 4;

inline std::string_view name(Calls calls) {
  switch (calls) {
    case Calls::create:
      return "create";
    case Calls::spans:
      return "spans";
    case Calls::storage:
      return "storage";
    case Calls::other:
      return "other";
  }
  return "";
}

}  // namespace spanferry::uploader
