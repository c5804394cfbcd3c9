// Whether a container's volume will be found again.
#pragma once

#include <string_view>

namespace spanferry::spool {

// Whether `path` lies on a volume that a container runtime made without a name (an image's VOLUME with
// nothing mounted there): the next container gets another. `mountinfo` is the text of /proc/self/mountinfo
// (proc(5)); `path` is absolute and without symbolic links.
bool is_nameless_volume(std::string_view mountinfo, std::string_view path);

}  // namespace spanferry::spool
