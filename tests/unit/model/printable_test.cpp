#include "model/printable.hpp"

#include <gtest/gtest.h>

namespace spanferry {
namespace {

TEST(Printable, KeepsWhatIsToBeRead) {
  for (const char* text : {"", "plain ~text!", "Grüße, 世界 🚀"}) EXPECT_EQ(printable(text), text);
}

TEST(Printable, LeavesNothingThatForgesALineOrDrivesATerminal) {
  EXPECT_EQ(printable("a\nb\r\x1b[2Jc\x7f"), "a b  [2Jc ");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "31mb"),
            "a 31mb")
      << "CSI in one character";
  EXPECT_EQ(printable("a\xe2\x80\xa8"
                      "b\xe2\x80\xae"
                      "c\xe2\x81\xa6"
                      "d\xd8\x9c"
                      "e"),
            "a b c d e")
      << "a line separator, and marks that turn the direction";
  EXPECT_EQ(printable("a\xff"
                      "b\xc2"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a b");
}

}  // namespace
}  // namespace spanferry
