// A secret in a file that somebody else keeps, and may replace at any time: Kubernetes by turning a symbolic
// link, others by renaming or by writing into it. So it is the path that is read, each time, and never a
// descriptor or an inode that was found there before. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include "model/result.hpp"

namespace spanferry::net {

inline constexpr std::size_t kMaxSecretFileBytes = 64U << 10;

// What is in the file, without white space before and after. Never waits (a pipe is refused, not read).
// Errors: configuration; the sentence names the path and what to do, never the content.
Result<std::string> read_secret_text(const std::string& path);

// The same for a secret of one line, as tokens and passwords are: one with a line break or another control
// character inside is refused, for it could not go into a header.
Result<std::string> read_secret(const std::string& path);

// Differs whenever another file, or another content, stands at the path; empty while there is none.
std::string secret_version(const std::string& path);

}  // namespace spanferry::net
