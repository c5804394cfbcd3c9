#include "model/crc32c.hpp"

#include <string>

#include <gtest/gtest.h>

namespace spanferry {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, AgreesWithTheVectorsOfRfc3720) {
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  const std::string read_command(
      "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x14\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x14\x00\x00\x00\x18"
      "\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
      48);
  for (const auto sum : {crc32c, crc32c_portable}) {
    EXPECT_EQ(sum(std::string(32, '\0'), 0), 0x8a9136aaU);
    EXPECT_EQ(sum(std::string(32, '\xff'), 0), 0x62a8ab43U);
    EXPECT_EQ(sum(rising, 0), 0x46dd794eU);
    EXPECT_EQ(sum(falling, 0), 0x113fdb5cU);
    EXPECT_EQ(sum(read_command, 0), 0xd9963a56U);
    EXPECT_EQ(sum("123456789", 0), 0xe3069283U);
    EXPECT_EQ(sum("", 0), 0U);
  }
}

TEST(Crc32c, IsTheSameInPiecesAndByEitherWay) {
  std::string data;
  for (int i = 0; i < 100; ++i) data += static_cast<char>(i * 37 + 11);
  for (std::size_t n = 0; n <= data.size(); ++n) {
    const std::string_view whole = data;
    EXPECT_EQ(crc32c(whole.substr(n), crc32c(whole.substr(0, n))), crc32c(whole));
    EXPECT_EQ(crc32c(whole.substr(n)), crc32c_portable(whole.substr(n)));
  }
}

// Long stretches are taken three at a time, and what is left over in shorter ones.
TEST(Crc32c, IsTheSameByEitherWayForEveryLengthOfAStretch) {
  std::string data;
  for (std::uint32_t i = 0; i < 40'000; ++i) data += static_cast<char>(i * 2'654'435'761U >> 24);
  for (const std::size_t size :
       {767U, 768U, 769U, 1536U, 12'287U, 12'288U, 12'289U, 13'056U, 24'576U, 39'993U}) {
    const std::string_view part = std::string_view(data).substr(7, size);
    EXPECT_EQ(crc32c(part, 17), crc32c_portable(part, 17)) << size;
  }
}

TEST(Crc32c, UnmasksWhatItMasked) {
  for (const std::uint32_t crc : {0U, 1U, 0xffffffffU, 0xe3069283U}) {
    EXPECT_NE(crc32c_mask(crc), crc);
    EXPECT_EQ(crc32c_unmask(crc32c_mask(crc)), crc);
  }
}

}  // namespace
}  // namespace spanferry
