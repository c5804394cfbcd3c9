// What a fuzz target asserts; on in every build, and the sentence is in the log.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace spanferry::fuzz {

inline void require(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", sentence);
  std::abort();
}

}  // namespace spanferry::fuzz
