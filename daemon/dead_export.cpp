#include "daemon/dead_export.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "daemon/show_spool.hpp"
#include "spool/inspect.hpp"

namespace spanferry::daemon {
namespace {

namespace fs = std::filesystem;

Result<> write_file(const fs::path& path, std::string_view bytes, std::ios::openmode mode) {
  std::ofstream out(path, std::ios::binary | mode);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (out) return {};
  return fail(ErrorKind::io, fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
}

Result<> export_letter(const spool::DeadLetter& letter, const fs::path& output) {
  std::string name = letter.id();
  for (char& c : name)
    if (c == '/') c = '-';
  if (auto written = write_file(output / (name + ".otlp"), letter.payload, std::ios::trunc); !written)
    return written;
  return write_file(output / "letters.jsonl", dead_letter_json(letter) + "\n", std::ios::app);
}

}  // namespace

Result<std::uint64_t> export_dead_letters(const std::string& directory, const std::string& which,
                                          const std::string& output) {
  std::error_code error;
  fs::create_directories(output, error);
  if (error)
    return fail(ErrorKind::io, fmt::format("cannot make the directory {}: {}", output, error.message()));
  if (auto emptied = write_file(fs::path(output) / "letters.jsonl", "", std::ios::trunc); !emptied)
    return std::unexpected(emptied.error());
  std::uint64_t exported = 0;
  Result<> written;
  const auto read = spool::each_dead(directory, which, [&](const spool::DeadLetter& letter) {
    written = export_letter(letter, output);
    exported += written ? 1 : 0;
    return written.has_value();
  });
  if (!read) return std::unexpected(read.error());
  if (!written) return std::unexpected(written.error());
  if (exported == 0)
    return fail(ErrorKind::not_found, which.empty() ? "there are no dead letters"
                                                    : fmt::format("there is no dead letter of {}", which));
  return exported;
}

}  // namespace spanferry::daemon
