#include "model/hash64.hpp"

#include <gtest/gtest.h>

#include "model/provisional_id.hpp"

namespace spanferry {
namespace {

// Values published with the algorithms: what is stored by them must be found again by every later version.
TEST(Hash64, IsWhatItsAuthorsPublished) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8ULL);
  EXPECT_EQ(fnv1a("bar", fnv1a("foo")), fnv1a("foobar"));
  EXPECT_EQ(mix64(0x9e3779b97f4a7c15ULL), 0xe220a8397b1dcdafULL);
}

// Apps keep such an id: it must stay the same for ever.
TEST(Hash64, GivesAnExperimentTheSameProvisionalIdInEveryVersion) {
  EXPECT_EQ(provisional_id("workspace", "/Shared/chat", 0), "9221568427229615223");
}

}  // namespace
}  // namespace spanferry
