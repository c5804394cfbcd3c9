#include "model/utf8.hpp"

#include <gtest/gtest.h>

namespace spanferry {
namespace {

const std::string kMark = "\xef\xbf\xbd";

TEST(Utf8, TakesCharactersOfEveryLengthShortAndLong) {
  for (const std::string& text : {std::string(), std::string("plain"), std::string("gr\xc3\xbc\xc3\x9f"),
                                  std::string("\xe6\xbc\xa2\xf0\x9f\x98\x80"), std::string(1, '\0')}) {
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_TRUE(is_valid_utf8(std::string(100, 'x') + text));
    EXPECT_EQ(repair_utf8(text), text);
  }
}

TEST(Utf8, FindsEveryInvalidFormShortAndLong) {
  for (const std::string& text :
       {std::string("\x80"), std::string("\xc0\xaf"), std::string("\xc3"), std::string("\xe0\x80\x80"),
        std::string("\xed\xa0\x80"), std::string("\xf0\x8f\xbf\xbf"), std::string("\xf4\x90\x80\x80"),
        std::string("\xf5\x80\x80\x80"), std::string("\xf0\x9f\x98"),
        std::string("ascii ascii \xff ascii")}) {
    EXPECT_FALSE(is_valid_utf8(text));
    EXPECT_FALSE(is_valid_utf8(std::string(100, 'x') + text + std::string(100, 'y')));
    EXPECT_TRUE(is_valid_utf8(repair_utf8(text)));
  }
}

// Unicode 15, section 3.9, table 3-8 and the examples around it.
TEST(Utf8, ReplacesEachMaximalInvalidPartOnce) {
  EXPECT_EQ(repair_utf8("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"),
            kMark + kMark + kMark + kMark + kMark + kMark + kMark + kMark + "A");
  EXPECT_EQ(repair_utf8("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"),
            kMark + kMark + kMark + kMark + kMark + kMark + kMark + kMark + "A");
  EXPECT_EQ(repair_utf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), kMark + kMark + kMark + kMark + "A");
  EXPECT_EQ(repair_utf8("cut emoji \xf0\x9f\x98"), "cut emoji " + kMark);
}

TEST(Utf8, IsCutBetweenCharacters) {
  const std::string text = "a\xc3\xbc\xf0\x9f\x98\x80z";  // of 1, 2, 4 and 1 bytes
  const std::size_t whole[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};
  for (std::size_t bytes = 0; bytes < std::size(whole); ++bytes)
    EXPECT_EQ(utf8_prefix(text, bytes), text.substr(0, whole[bytes])) << bytes;
}

}  // namespace
}  // namespace spanferry
