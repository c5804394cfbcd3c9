// Text that somebody else wrote, for a terminal or a line of the log.
#pragma once

#include <string>
#include <string_view>

namespace spanferry {

// Valid UTF-8 in which whatever could forge a line, drive a terminal or reorder what is read stands as a
// space: control characters (C0, DEL, C1), line and paragraph separators, directional marks.
std::string printable(std::string_view text);

}  // namespace spanferry
