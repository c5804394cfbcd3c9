#include "uploader/slots.hpp"

#include <gtest/gtest.h>

#include "tests/unit/net/scripted_server.hpp"

namespace spanferry::uploader {
namespace {

using spanferry::testing::run_until;
namespace asio = boost::asio;

TEST(Slots, LetAsManyInAsThereAreAndTheOthersInTheOrderTheyCame) {
  asio::io_context io;
  Slots slots(io, 2);
  std::vector<Slot> held;
  std::vector<int> order;
  const auto enter = [&](int who) -> asio::awaitable<void> {
    Slot slot = co_await slots.acquire();
    EXPECT_TRUE(slot);
    order.push_back(who);
    held.push_back(std::move(slot));
  };
  for (int i = 0; i < 5; ++i) asio::co_spawn(io, enter(i), asio::detached);
  ASSERT_TRUE(run_until(io, [&] { return order.size() == 2; }));
  EXPECT_EQ(slots.in_use(), 2U);
  while (held.size() < 5) {
    const std::size_t before = order.size();
    held[before - 2] = Slot{};
    ASSERT_TRUE(run_until(io, [&] { return order.size() == before + 1; }));
    EXPECT_EQ(slots.in_use(), 2U);
  }
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  held.clear();
  EXPECT_EQ(slots.in_use(), 0U);
}

TEST(Slots, GiveNothingOnceStopped) {
  asio::io_context io;
  Slots slots(io, 1);
  std::optional<Slot> first, second;
  asio::co_spawn(io, [&]() -> asio::awaitable<void> { first = co_await slots.acquire(); }, asio::detached);
  asio::co_spawn(io, [&]() -> asio::awaitable<void> { second = co_await slots.acquire(); }, asio::detached);
  ASSERT_TRUE(run_until(io, [&] { return first.has_value(); }));
  EXPECT_FALSE(second.has_value());
  slots.stop();
  ASSERT_TRUE(run_until(io, [&] { return second.has_value(); }));
  EXPECT_TRUE(*first);
  EXPECT_FALSE(*second);
  first.reset();
  EXPECT_EQ(slots.in_use(), 0U);
}

}  // namespace
}  // namespace spanferry::uploader
