#include "spool/side_file.hpp"

#include "model/crc32c.hpp"
#include "spool/coding.hpp"
#include "spool/directory.hpp"

namespace spanferry::spool {
namespace {

constexpr std::string_view kMagic = "SFPROG1\n";
constexpr std::size_t kMaxCursors = 10'000;

}  // namespace

Result<> write_side_file(const std::string& path, const SideFile& content) {
  std::string out(kMagic);
  put_boundary(out, content.first);
  put_boundary(out, content.end);
  put_varint(out, content.cursors.size());
  for (const auto& [name, progress] : content.cursors) {
    put_string(out, name);
    put_string(out, progress);
  }
  put_u32_le(out, crc32c_mask(crc32c(out)));
  return replace_file(path, out);
}

Result<std::optional<SideFile>> read_side_file(const std::string& path) {
  auto bytes = read_file(path, kMaxSideFileBytes);
  if (!bytes) {
    if (bytes.error().kind == ErrorKind::not_found) return std::optional<SideFile>{};
    return std::unexpected(bytes.error());
  }
  const std::string_view all = *bytes;
  if (!all.starts_with(kMagic.substr(0, 6)))
    return fail(ErrorKind::damaged, path + " is not a progress file");
  if (!all.starts_with(kMagic)) return fail(ErrorKind::unsupported, path + " was written by a newer version");
  if (all.size() < kMagic.size() + 4 ||
      crc32c_unmask(get_u32_le(all.data() + all.size() - 4)) != crc32c(all.substr(0, all.size() - 4))) {
    return fail(ErrorKind::damaged, path + " does not match its checksum");
  }
  Decoder in(all.substr(kMagic.size(), all.size() - kMagic.size() - 4));
  SideFile content;
  content.first = take_boundary(in);
  content.end = take_boundary(in);
  const auto cursors = in.varint();
  if (cursors > kMaxCursors) return fail(ErrorKind::damaged, path + " names too many cursors");
  for (std::uint64_t i = 0; i < cursors && in.ok(); ++i) {
    std::string name(in.string());
    content.cursors.emplace(std::move(name), in.string());
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorKind::damaged, path + " is cut or has bytes left over");
  return content;
}

}  // namespace spanferry::spool
