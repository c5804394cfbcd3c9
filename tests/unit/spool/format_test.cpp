// The examples of docs/spool-format.md, byte by byte; and no decoder reads past what it was given.
#include "spool/coding.hpp"
#include "spool/directory.hpp"
#include "spool/group_writer.hpp"
#include "spool/keys.hpp"
#include "spool/progress.hpp"
#include "spool/side_file.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

Progress example() {
  Progress progress(Boundary{1, 0, 0});
  progress.settle_record(1, 100, SpanCounts::of(Outcome::delivered, 100));
  progress.settle_record(3, 7, SpanCounts::of(Outcome::dead, 7));
  return progress;
}

TEST(SpoolFormat, WritesTheExamplesOfItsDocument) {
  EXPECT_EQ(hex_encode(log_key(42)), "000000000000002a");
  EXPECT_EQ(hex_encode(index_key(trace_of(9), 42)), "01000000000000000000000000000009000000000000002a");
  EXPECT_EQ(hex_encode(summary_key(42, trace_of(9))), "000000000000002a01000000000000000000000000000009");
  EXPECT_EQ(hex_encode(mark_key("ws", 42, trace_of(9))),
            "6d2f777300000000000000002a01000000000000000000000000000009");
  EXPECT_EQ(hex_encode(encode_mark({3, 12, 4})), "030c04");
  EXPECT_EQ(hex_encode(encode_totals({40, 39, 90}, {43, 42, 101})), "28275a2b2a65");
  EXPECT_EQ(hex_encode(example().encode()), "0101000002016407640700000000000101000107");
}

TEST(SpoolFormat, ReadsBackAProgressAndRefusesOneCutAnywhere) {
  const std::string bytes = example().encode();
  const auto again = Progress::decode(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->position().seq, 2U);
  EXPECT_TRUE(again->settled(3));
  EXPECT_EQ(again->encode(), bytes);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(Progress::decode(bytes.substr(0, n))) << n;
  EXPECT_FALSE(Progress::decode(bytes + "x"));
}

TEST(SpoolFormat, WritesAProgressWithSomethingParkedAsAVersionOfItsOwn) {
  Progress progress = example();
  progress.settle_record(2, 5, {});
  progress.park({.records = 1, .spans = 5, .bytes = 200});
  EXPECT_EQ(hex_encode(progress.encode()),
            "02010000040370076407000000000000"
            "0105c801");
  const auto again = Progress::decode(progress.encode());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->parked().spans, 5U);
  EXPECT_EQ(again->accounting({4, 3, 112}).pending, 5U);
  progress.unpark({.records = 1, .spans = 5, .bytes = 200}, SpanCounts::of(Outcome::delivered, 5));
  EXPECT_EQ(progress.encode().front(), 1);
  EXPECT_EQ(progress.accounting({4, 3, 112}).pending, 0U);
  const ParkedKey key{trace_of(9), 42, span_of(1)};
  EXPECT_EQ(hex_encode(parked_key("ws", key)),
            "777300"
            "01000000000000000000000000000009"
            "000000000000002a"
            "0200000000000001");
  EXPECT_EQ(parse_parked_key(parked_key("ws", key)), key);
}

TEST(SpoolFormat, ReadsBackADeadLetterAndRefusesOneCutAnywhere) {
  DeadLetter letter;
  letter.destination = "ws";
  letter.seq = 300;
  letter.trace_id = trace_of(1);
  letter.span_id = span_of(2);
  letter.route.experiment_name = "/Shared/x";
  letter.response_excerpt = std::string(5000, 'e');
  letter.payload = "payload";
  const std::string bytes = encode(letter);
  const auto again = decode_dead_letter(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id(), letter.id());
  EXPECT_EQ(again->route, letter.route);
  EXPECT_EQ(again->response_excerpt.size(), kMaxResponseExcerptBytes);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_dead_letter(bytes.substr(0, n))) << n;
  EXPECT_EQ(dead_key_of_id(letter.id()), dead_key("ws", 300, trace_of(1), span_of(2)));
}

TEST(SpoolFormat, NoticesEveryFlippedBitOfTheSideFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/progress";
  ASSERT_TRUE(write_side_file(path, {{5, 4, 9}, {43, 42, 101}, {{"ws", example().encode()}}}));
  const auto again = read_side_file(path);
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->first, (Boundary{5, 4, 9}));
  EXPECT_EQ((*again)->cursors.at("ws"), example().encode());
  const std::string sound = *read_file(path, 1000);
  for (std::size_t bit = 0; bit < sound.size() * 8; ++bit) {
    std::string bytes = sound;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(replace_file(path, bytes));
    EXPECT_FALSE(read_side_file(path)) << bit;
  }
}

TEST(SpoolFormat, ReadsDirtyVarintsWithoutHarm) {
  Decoder endless(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12));
  EXPECT_EQ(endless.varint(), 0U);
  EXPECT_FALSE(endless.ok());
  Decoder longer(
      std::string_view("\x7f"
                       "abc",
                       4));
  EXPECT_TRUE(longer.string().empty());
  EXPECT_FALSE(longer.ok());
}

}  // namespace
}  // namespace spanferry::spool
