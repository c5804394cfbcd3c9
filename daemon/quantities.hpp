// Numbers for people: "12.3 MiB", "1,204", "1.43 s", "2 d 3 h".
#pragma once

#include <cstdint>
#include <string>

namespace spanferry::daemon {

std::string bytes_text(std::uint64_t bytes);
std::string count_text(std::int64_t count);
std::string milliseconds_text(double ms);
std::string age_text(double seconds);

}  // namespace spanferry::daemon
