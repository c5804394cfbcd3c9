#include "config/units.hpp"

#include <gtest/gtest.h>

#include "config/keys.hpp"

namespace spanferry::config {
namespace {

using std::chrono::milliseconds;

TEST(Sizes, AreReadInBothFamiliesOfUnits) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("64MiB"), 64ULL << 20);
  EXPECT_EQ(parse_size("64 MiB"), 64ULL << 20);
  EXPECT_EQ(parse_size("1GB"), 1'000'000'000U);
  EXPECT_EQ(parse_size("16TiB"), 16ULL << 40);
}

TEST(Sizes, AreRefusedWhenUnclear) {
  for (const auto* text : {"", "MiB", "-1", "1.5GiB", "64M", "64mib", "99999999999TiB", "0x10", "1 2"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Durations, NeedAUnitUnlessTheyAreZero) {
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
  EXPECT_EQ(parse_duration("50ms"), milliseconds(50));
  EXPECT_EQ(parse_duration("2s"), milliseconds(2000));
  EXPECT_EQ(parse_duration("10min"), milliseconds(600'000));
  EXPECT_EQ(parse_duration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(parse_duration("30d"), milliseconds(30LL * 86'400'000));
  for (const auto* text : {"", "5", "5m", "1h30min", "-1s", "999999999999999d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Units, ReadBackWhatTheyWrite) {
  for (const std::uint64_t size :
       {0ULL, 1ULL, 1000ULL, 1024ULL, 96ULL << 20, 1'000'000'000ULL, 10ULL << 30, 12345ULL})
    EXPECT_EQ(parse_size(format_size(size)), size) << format_size(size);
  EXPECT_EQ(format_size(64ULL << 20), "64MiB");
  EXPECT_EQ(format_size(1'000'000'000), "1GB");
  for (const auto time : {milliseconds(0), milliseconds(50), milliseconds(2000), milliseconds(90'000),
                          milliseconds(86'400'000)})
    EXPECT_EQ(parse_duration(format_duration(time)), time);
  EXPECT_EQ(format_duration(milliseconds(600'000)), "10min");
}

TEST(Booleans, HaveTheUsualSpellings) {
  for (const auto* text : {"true", "yes", "on", "1"}) EXPECT_EQ(parse_boolean(text), true);
  for (const auto* text : {"false", "no", "off", "0"}) EXPECT_EQ(parse_boolean(text), false);
  EXPECT_FALSE(parse_boolean("maybe"));
}

TEST(Keys, HaveDefaultsThatTheirOwnParserTakes) {
  Settings settings;
  for (const auto& key : keys()) {
    if (key.default_value.empty() || key.type == Type::addresses || key.type == Type::texts) continue;
    const auto value = parse_value(key, {std::string(key.default_value)}, false);
    ASSERT_TRUE(value) << key.path << ": " << value.error();
    EXPECT_EQ(key.apply(settings, *value), "") << key.path;
  }
  // The table's defaults are those of the settings structs.
  const Settings untouched;
  EXPECT_EQ(settings.ingest.max_body_bytes, untouched.ingest.max_body_bytes);
  EXPECT_EQ(settings.ingest.max_inflight_bytes, untouched.ingest.max_inflight_bytes);
  EXPECT_EQ(settings.ingest.max_connections, untouched.ingest.max_connections);
  EXPECT_EQ(settings.spool.dead_letter_max_bytes, untouched.spool.dead_letter_max_bytes);
  EXPECT_EQ(settings.drain_timeout, untouched.drain_timeout);
  uploader::DestinationSettings destination;
  for (const auto& key : destination_keys())
    if (!key.default_value.empty()) {
      const auto value = parse_value(key, {std::string(key.default_value)}, false);
      ASSERT_TRUE(value) << key.path;
      EXPECT_EQ(key.apply(destination, *value), "");
    }
  const uploader::DestinationSettings fresh;
  EXPECT_EQ(destination.max_batch_bytes, fresh.max_batch_bytes);
  EXPECT_EQ(destination.concurrency, fresh.concurrency);
  EXPECT_EQ(destination.assemble.max_open, fresh.assemble.max_open);
  EXPECT_EQ(destination.compression, fresh.compression);
}

TEST(Nearest, IsNothingWhenNothingIsNear) {
  const std::array<std::string_view, 2> known{"spool.max_bytes", "log.level"};
  EXPECT_EQ(nearest("spool.max_byte", known), "spool.max_bytes");
  EXPECT_EQ(nearest("level", known), "log.level");
  EXPECT_EQ(nearest("spool.compression", known), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), known), "");
}

}  // namespace
}  // namespace spanferry::config
