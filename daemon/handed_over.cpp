#include "daemon/handed_over.hpp"

#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace spanferry::daemon {

Result<ingest::HandedSockets> sort_by_name(const std::vector<std::string>& names, int first) {
  ingest::HandedSockets sockets;
  int fd = first;
  for (const auto& name : names) {
    if (name != "http" && name != "udp")
      return fail(ErrorKind::configuration,
                  fmt::format("the service manager hands over a socket named '{}': its socket unit must say "
                              "FileDescriptorName=http or FileDescriptorName=udp",
                              name));
    (name == "http" ? sockets.http : sockets.udp).push_back(fd++);
  }
  return sockets;
}

Result<ingest::HandedSockets> handed_sockets() {
  char** raw_names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &raw_names);
  if (count < 0)
    return fail(ErrorKind::io,
                fmt::format("cannot take the sockets of the service manager: {}", std::strerror(-count)));
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    names.emplace_back(raw_names[i]);
    std::free(raw_names[i]);
  }
  std::free(static_cast<void*>(raw_names));
  return sort_by_name(names, SD_LISTEN_FDS_START);
}

}  // namespace spanferry::daemon
