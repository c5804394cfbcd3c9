#include "ingest/inflate.hpp"

#include <gtest/gtest.h>

#include "tests/unit/ingest/packing.hpp"

namespace spanferry::ingest {
namespace {

using test::pack_zlib;
using test::pack_zstd;

struct Packing {
  Coding coding;
  std::string (*pack)(std::string_view);
};
const Packing kPackings[] = {
    {Coding::gzip, [](std::string_view t) { return pack_zlib(t, 31); }},
    {Coding::deflate, [](std::string_view t) { return pack_zlib(t, 15); }},
    {Coding::deflate, [](std::string_view t) { return pack_zlib(t, -15); }},
    {Coding::zstd, [](std::string_view t) { return pack_zstd(t); }},
};

std::string some_text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i * 7919);
  text.resize(size);
  return text;
}

TEST(Inflate, GivesBackWhatWasPacked) {
  for (const auto& [coding, pack] : kPackings) {
    for (const std::size_t size : {0UL, 1UL, 1000UL, 3000000UL}) {
      const std::string text = some_text(size);
      const auto out = inflate(pack(text), coding, {3000000, {}});
      ASSERT_TRUE(out.has_value()) << size << ": " << out.error().sentence;
      EXPECT_EQ(*out, text);
    }
  }
}

TEST(Inflate, IsCutAtTheLimitAndNotAByteBefore) {
  for (const auto& [coding, pack] : kPackings) {
    const std::string packed = pack(some_text(50000));
    EXPECT_TRUE(inflate(packed, coding, {50000, {}}).has_value());
    const auto out = inflate(packed, coding, {49999, {}});
    ASSERT_FALSE(out.has_value());
    EXPECT_EQ(out.error().kind, ErrorKind::too_large);
  }
}

TEST(Inflate, ABombTakesNoMoreMemoryThanTheLimit) {
  for (const auto& [coding, pack] : kPackings) {
    const std::string bomb = pack(std::string(64U << 20, '\0'));
    ASSERT_LT(bomb.size(), 1U << 20);
    std::uint64_t taken = 0;
    const auto out =
        inflate(bomb, coding, {1U << 20, [&](std::uint64_t bytes) { return (taken += bytes) > 0; }});
    EXPECT_EQ(out.error().kind, ErrorKind::too_large);
    EXPECT_LE(taken, (1U << 20) + 1);
  }
}

TEST(Inflate, StopsWhenThereIsNoMemory) {
  const auto out = inflate(pack_zlib(some_text(100000), 31), Coding::gzip,
                           {1U << 20, [](std::uint64_t) { return false; }});
  EXPECT_EQ(out.error().kind, ErrorKind::unavailable);
}

TEST(Inflate, TellsABombForGoodAlsoWhenThereIsNoMemory) {
  const std::string plain(1 << 20, 'x');
  for (const std::uint64_t room : {0U, 100'000U}) {
    std::uint64_t taken = 0;
    const InflateBounds bounds{plain.size() - 1, [&](std::uint64_t n) { return (taken += n) <= room; }};
    const auto result = inflate(pack_zlib(plain, 31), Coding::gzip, bounds);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::too_large);
  }
}

TEST(Inflate, RefusesWhatIsCutShortOrFollowedByMore) {
  for (const auto& [coding, pack] : kPackings) {
    const std::string packed = pack(some_text(1000));
    for (std::size_t size = 1; size < packed.size(); size += 3) {
      const auto out = inflate(std::string_view(packed).substr(0, size), coding, {1U << 20, {}});
      ASSERT_FALSE(out.has_value()) << size << " of " << packed.size();
      EXPECT_EQ(out.error().kind, ErrorKind::invalid_input);
    }
    EXPECT_FALSE(inflate(packed + "more", coding, {1U << 20, {}}).has_value());
  }
}

TEST(Inflate, TakesSeveralMembersAndFrames) {
  EXPECT_EQ(inflate(pack_zlib("one ", 31) + pack_zlib("two", 31), Coding::gzip, {100, {}}).value(),
            "one two");
  EXPECT_EQ(inflate(pack_zstd("one ") + pack_zstd("two"), Coding::zstd, {100, {}}).value(), "one two");
}

TEST(Inflate, KnowsTheNamesOfEncodings) {
  EXPECT_EQ(coding_of(""), Coding::identity);
  EXPECT_EQ(coding_of("none"), Coding::identity);
  EXPECT_EQ(coding_of("GZIP"), Coding::gzip);
  EXPECT_EQ(coding_of("zstd"), Coding::zstd);
  EXPECT_FALSE(coding_of("br"));
  EXPECT_FALSE(coding_of("gzip, gzip"));
}

}  // namespace
}  // namespace spanferry::ingest
