#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "console/console.hpp"

namespace spanferry::console {
namespace {

TEST(MetricsReference, IsTheOneInTheDocumentation) {
  const std::ifstream file(SPANFERRY_SOURCE_DIR "/docs/metrics.md");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), metrics_reference())
      << "write it anew: spanferry config --metrics-reference > docs/metrics.md";
}

TEST(MetricsReference, NamesWhatComesFromEveryPart) {
  const auto text = metrics_reference();
  for (const auto* name : {"spanferry_spool_bytes", "spanferry_ingest_rejected_total",
                           "spanferry_destination_state", "spanferry_removed_destination_pending_spans"})
    EXPECT_NE(text.find(name), std::string::npos) << name;
}

}  // namespace
}  // namespace spanferry::console
