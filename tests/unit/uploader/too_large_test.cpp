#include "tests/unit/uploader/otlp_fixture.hpp"

namespace spanferry::uploader {
namespace {

class TooLargeTest : public OtlpTrackTest {
 protected:
  TooLargeTest() {
    server.set_script([this](const Received& r) {
      return r.body.size() > kLimit ? Answer{.status = 413, .body = "too large"} : store(r);
    });
    append({{trace_number(1), span_number(1)},
            {trace_number(1), span_number(2), "large", std::string(100'000, 'x')},
            {trace_number(1), span_number(3)}});
  }
  static constexpr std::size_t kLimit = 20'000;
};

TEST_F(TooLargeTest, ASpanIsSetAsideAloneAndCounted) {
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(cursor().accounting().settled[Outcome::dead], 1U);
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 2U);
  EXPECT_EQ(sender->health().too_large_spans, 1U);
  EXPECT_EQ(sender->health().truncated_spans, 0U);
}

TEST_F(TooLargeTest, ASpanIsCutUntilItIsTakenWhereThatIsAllowed) {
  settings.when_too_large = WhenTooLarge::truncate;
  start();
  ASSERT_TRUE(run_until(io, [&] { return settled(); }));
  EXPECT_EQ(cursor().accounting().settled[Outcome::delivered], 3U);
  EXPECT_EQ(sender->health().truncated_spans, 1U);
  EXPECT_EQ(sender->health().too_large_spans, 0U);
  std::size_t largest = 0;
  for (const Received& r : server.received())
    if (r.body.size() <= kLimit && r.body.contains("[cut by spanferry: was ")) largest = r.body.size();
  EXPECT_GT(largest, kLimit / 4) << "no more is cut than halving asks for";
}

}  // namespace
}  // namespace spanferry::uploader
