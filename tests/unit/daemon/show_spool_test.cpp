#include "daemon/show_spool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanferry::daemon {
namespace {

using testing::HasSubstr;
using testing::Not;

spool::Inspection sample() {
  spool::Inspection found;
  found.directory = "/d";
  found.first_seq = 3;
  found.last_seq = 5;
  found.records = 2;
  found.spans = 1500;
  found.appended_records = 5;
  found.appended_spans = 2000;
  found.gaps.push_back({.first = 4, .last = 4, .records = 1, .spans = 7});
  found.cursors.push_back({.name = "backend",
                           .position = 3,
                           .pending_records = 2,
                           .pending_spans = 1500,
                           .intervals = 0,
                           .marks = 0,
                           .counts = SpanCounts::of(Outcome::delivered, 492),
                           .accepted = 2000});
  found.dead["backend"] = {.letters = 1, .spans = 1, .bytes = 300};
  return found;
}

spool::DeadLetter letter() {
  spool::DeadLetter dead;
  dead.destination = "backend";
  dead.seq = 4;
  dead.trace_id = *TraceId::from_hex("0af7651916cd43dd8448eb211c80319c");
  dead.span_id = *SpanId::from_hex("b7ad6b7169203331");
  dead.refused_ns = 1'700'000'000'000'000'000;
  dead.status = 400;
  dead.reason = "the far side\x1b[2J refuses it";
  dead.payload = "\x0a\x02";
  return dead;
}

TEST(SpoolInspect, TellsWhatWasCountedByDestination) {
  EXPECT_EQ(inspection_text(sample()),
            "spool     /d, 0 B on disk\n"
            "records   2 with 1,500 spans and 0 B of payload, seq 3 to 5\n"
            "ever      5 records, 2,000 spans\n"
            "gap       seq 4 to 4: 1 records, 7 spans\n"
            "backend: at seq 3, pending 1,500 spans in 2 records (0 of them parked), delivered 492, dead "
            "letters 1\n");
  const auto json = inspection_json(sample());
  EXPECT_THAT(json, HasSubstr(R"("pending":{"records":2,"spans":1500})"));
  EXPECT_THAT(json, HasSubstr(R"("delivered":492,"dead":0)"));
  EXPECT_THAT(json, HasSubstr(R"("dead_letters":{"letters":1,"spans":1,"bytes":300})"));
}

TEST(DeadLetters, AreListedWithoutTheirPayloadsAndShownWithThem) {
  EXPECT_EQ(dead_letters_text({}), "no dead letters\n");
  EXPECT_THAT(dead_letters_text({letter()}),
              testing::AllOf(HasSubstr(letter().id()), HasSubstr("2023-11-14T22:13:20Z  1 span  400"),
                             Not(HasSubstr("\x1b"))));
  EXPECT_THAT(dead_letters_json({letter()}),
              testing::AllOf(HasSubstr(R"("payload_bytes":2)"), Not(HasSubstr(R"("payload":)"))));
  EXPECT_THAT(dead_letter_text(letter()),
              testing::AllOf(HasSubstr("b7ad6b7169203331"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(dead_letter_json(letter()), HasSubstr(R"("payload":"CgI=")"));
}

}  // namespace
}  // namespace spanferry::daemon
