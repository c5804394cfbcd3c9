#include "bench/load/book.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "bench/load/latencies.hpp"
#include "bench/load/payload.hpp"

namespace spanferry::bench {
namespace {

std::string request(const Payload& payload, std::uint16_t seed, std::uint64_t number) {
  std::string body = payload.bytes();
  payload.number(body.data(), seed, number);
  return body;
}

TEST(NumberedId, IsReadBack) {
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{12345}, kMaxRequests - 1}) {
    const Numbered in{.seed = 7, .request = n, .low = 99};
    EXPECT_EQ(numbered(trace_id_of(in)), in);
    EXPECT_EQ(numbered(span_id_of(in)), in);
  }
}

TEST(NumberedId, IsNotSeenInForeignIds) {
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(numbered(mint_trace_id()));
}

TEST(Payload, HasTheSizeAndTheSpansOfItsShape) {
  for (const auto& shape : kShapes) {
    const Payload payload(shape, 0);
    EXPECT_EQ(payload.spans(), shape.spans);
    constexpr double kResource = 150;  // sent once a request
    const double expected = kResource + shape.spans * shape.span_bytes;
    EXPECT_NEAR(static_cast<double>(payload.bytes().size()), expected, 0.1 * expected);
  }
}

TEST(Book, FindsWhatIsMissingDuplicateAndExtra) {
  const Payload payload(kShapes[1], 0);
  Ledger ledger(3, payload.spans());
  for (const int n : {0, 1, 2, 4}) ledger.acknowledge(n);
  Book book;
  EXPECT_TRUE(book.receive(request(payload, 3, 0)));
  EXPECT_TRUE(book.receive(request(payload, 3, 1) + request(payload, 3, 1)));
  EXPECT_TRUE(book.receive(request(payload, 3, 3)));
  EXPECT_TRUE(book.receive(request(payload, 3, 4)));
  EXPECT_TRUE(book.receive(request(payload, 9, 2)));
  const Comparison c = book.compare(ledger);
  EXPECT_EQ(c.acknowledged, 400U);
  EXPECT_EQ(c.missing, 100U);
  EXPECT_EQ(c.duplicates, 100U);
  EXPECT_EQ(c.extra, 100U);
  EXPECT_EQ(book.spans(), 600U);
  EXPECT_EQ(book.repeated_spans(), 100U);
  EXPECT_EQ(c.missing_requests, std::vector<std::uint64_t>{2});
}

TEST(Book, SaysSoOfABodyThatIsNoRequest) {
  Book book;
  EXPECT_FALSE(book.receive("\x0a\xff\x01"));
}

TEST(Ledger, IsTheSameAfterItsFile) {
  const auto file = std::filesystem::temp_directory_path() / ("ledger-" + std::to_string(::getpid()));
  Ledger ledger(5, 10);
  for (const int n : {0, 1, 2, 7, 9}) ledger.acknowledge(n);
  ASSERT_TRUE(ledger.write(file));
  const auto read = Ledger::read(file);
  std::filesystem::remove(file);
  ASSERT_TRUE(read) << read.error().sentence;
  EXPECT_EQ(read->seed(), 5);
  EXPECT_EQ(read->spans_per_request(), 10U);
  EXPECT_EQ(read->count(), 5U);
  EXPECT_TRUE(read->holds(9));
  EXPECT_FALSE(read->holds(8));
}

TEST(Latencies, AreGoodToTwoPercent) {
  Latencies latencies;
  for (std::uint64_t us = 1; us <= 100'000; ++us) latencies.add(us);
  EXPECT_NEAR(latencies.quantile_ms(0.5), 50, 1);
  EXPECT_NEAR(latencies.quantile_ms(0.99), 99, 2);
  EXPECT_EQ(latencies.max_ms(), 100);
}

}  // namespace
}  // namespace spanferry::bench
