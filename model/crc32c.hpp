// CRC-32C (Castagnoli): the checksum of RocksDB's log, of records and of the side file. Uses SSE 4.2 where
// present.
#pragma once

#include <cstdint>
#include <string_view>

namespace spanferry {

// The checksum of `data` when `seed` is that of what came before it.
std::uint32_t crc32c(std::string_view data, std::uint32_t seed = 0);
// The same by tables alone, as on a machine without SSE 4.2: here so that tests can compare the two.
std::uint32_t crc32c_portable(std::string_view data, std::uint32_t seed = 0);

// RocksDB and LevelDB store checksums rotated and offset, so that a checksum of checksums is still good.
inline std::uint32_t crc32c_mask(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }
inline std::uint32_t crc32c_unmask(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8U;
  return (rotated >> 17) | (rotated << 15);
}

}  // namespace spanferry
