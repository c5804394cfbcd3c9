#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "config/show.hpp"
#include "tests/unit/config/fixture.hpp"

namespace spanferry::config {
namespace {

TEST(Reference, IsWhatTheTableOfKeysSays) {
  std::ifstream in(SPANFERRY_SOURCE_DIR "/docs/configuration.md");
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), reference()) << "write it anew: spanferry config --reference > docs/configuration.md";
}

TEST(Reference, ShowsAnExampleThatLoads) {
  const auto text = reference();
  const auto from = text.find("```yaml\n") + 8;
  const auto loaded = load_text(text.substr(from, text.find("```", from) - from));
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_EQ(loaded->settings.uploader.destinations.size(), 2U);
}

}  // namespace
}  // namespace spanferry::config
