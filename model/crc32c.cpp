#include "model/crc32c.hpp"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace spanferry {
namespace {

constexpr std::uint32_t kReversedPolynomial = 0x82f63b78U;

// Eight tables, so that eight bytes are taken a step: table[k][b] is b followed by k zero bytes.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
    }
  }
  return tables;
}
constexpr auto kTables = make_tables();

std::uint64_t load_little_endian(const unsigned char* bytes) {
  std::uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | bytes[i];
  return word;
}

std::uint32_t extend_by_table(std::uint32_t crc, const unsigned char* data, std::size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    const std::uint64_t word = load_little_endian(data) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][word >> (8 * i) & 0xff];
  }
  for (; size > 0; ++data, --size) crc = (crc >> 8) ^ kTables[0][(crc ^ *data) & 0xff];
  return crc;
}

#if defined(__x86_64__)
// The checksum's register as a vector over GF(2), and what `bytes` zero bytes make of it: a linear map, kept
// as one table for each byte of the register.
using Shift = std::array<std::array<std::uint32_t, 256>, 4>;
using Columns = std::array<std::uint32_t, 32>;  // what a map makes of each single bit

constexpr std::uint32_t apply(const Columns& map, std::uint32_t crc) {
  std::uint32_t out = 0;
  for (std::size_t bit = 0; crc != 0; ++bit, crc >>= 1) out ^= (crc & 1) != 0 ? map[bit] : 0;
  return out;
}

constexpr Shift make_shift(std::size_t bytes) {
  Columns map{};
  for (std::uint32_t bit = 0; bit < 32; ++bit) {  // one byte, by table; then twice as many each time
    const std::uint32_t crc = 1U << bit;
    map[bit] = (crc >> 8) ^ kTables[0][crc & 0xff];
  }
  for (; bytes > 1; bytes /= 2) {
    Columns twice{};
    for (std::size_t bit = 0; bit < 32; ++bit) twice[bit] = apply(map, map[bit]);
    map = twice;
  }
  Shift shift{};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::uint32_t b = 0; b < 256; ++b) shift[i][b] = apply(map, b << (8 * i));
  }
  return shift;
}

constexpr std::size_t kLong = 4096, kShort = 256;  // powers of two, of eight bytes each
constexpr Shift kShiftLong = make_shift(kLong), kShiftShort = make_shift(kShort);

std::uint32_t shifted(const Shift& shift, std::uint64_t crc) {
  return shift[0][crc & 0xff] ^ shift[1][crc >> 8 & 0xff] ^ shift[2][crc >> 16 & 0xff] ^
         shift[3][crc >> 24 & 0xff];
}

std::uint64_t load_word(const unsigned char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// The instruction takes three cycles and can begin anew each cycle: three stretches side by side, then put
// together.
template <std::size_t kStretch>
__attribute__((target("sse4.2"))) std::uint64_t extend_three(std::uint64_t crc, const Shift& shift,
                                                             const unsigned char*& data, std::size_t& size) {
  for (; size >= 3 * kStretch; data += 3 * kStretch, size -= 3 * kStretch) {
    std::uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < kStretch; i += 8) {
      crc = _mm_crc32_u64(crc, load_word(data + i));
      second = _mm_crc32_u64(second, load_word(data + kStretch + i));
      third = _mm_crc32_u64(third, load_word(data + 2 * kStretch + i));
    }
    crc = shifted(shift, shifted(shift, crc) ^ second) ^ third;
  }
  return crc;
}

__attribute__((target("sse4.2"))) std::uint32_t extend_by_instruction(std::uint32_t crc,
                                                                      const unsigned char* data,
                                                                      std::size_t size) {
  std::uint64_t wide = extend_three<kLong>(crc, kShiftLong, data, size);
  wide = extend_three<kShort>(wide, kShiftShort, data, size);
  for (; size >= 8; data += 8, size -= 8) wide = _mm_crc32_u64(wide, load_word(data));
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; ++data, --size) crc = _mm_crc32_u8(crc, *data);
  return crc;
}
#endif

using Extend = std::uint32_t (*)(std::uint32_t, const unsigned char*, std::size_t);

Extend best_for_this_cpu() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return extend_by_instruction;
#endif
  return extend_by_table;
}

}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t seed) {
  static const Extend extend = best_for_this_cpu();
  return ~extend(~seed, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

std::uint32_t crc32c_portable(std::string_view data, std::uint32_t seed) {
  return ~extend_by_table(~seed, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

}  // namespace spanferry
