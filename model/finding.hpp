// What a check of a set-up found: what was looked at, how it is, and what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spanferry {

enum class Grade : std::uint8_t { ok, warn, fail };  // the worst is the largest

constexpr std::string_view name(Grade grade) {
  return grade == Grade::ok ? "ok" : grade == Grade::warn ? "warn" : "fail";
}

struct Finding {
  Grade grade = Grade::ok;
  std::string subject;  // "spool directory", "destination workspace: credential"
  std::string text;     // a sentence without a period; never a secret
  std::string next;     // what to do; empty when there is nothing
};

}  // namespace spanferry
