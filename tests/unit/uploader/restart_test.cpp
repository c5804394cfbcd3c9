// Uploader and spool together: what a restart in the middle of a delivery repeats, and that it loses nothing.
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "spool/spool.hpp"
#include "tests/unit/net/scripted_server.hpp"
#include "tests/unit/uploader/spans.hpp"
#include "uploader/uploader.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;  // NOLINT: builders
namespace asio = boost::asio;

constexpr std::uint64_t kMaxBatchBytes = 16U << 10;
constexpr std::uint32_t kConcurrency = 2;

class RestartTest : public ::testing::Test {
 protected:
  RestartTest()
      : directory_(std::filesystem::temp_directory_path() /
                   ("spanferry-restart-" + std::to_string(::getpid()))),
        server_(io_, [this](const Received& r) { return store(r); }),
        thread_([this] { io_.run(); }) {
    std::filesystem::remove_all(directory_);
    spool_settings_.directory = directory_.string();
    spool_settings_.min_free_bytes = 0;
    spool_ = open();
    DestinationSettings there;
    there.name = "there";
    there.kind = Kind::otlp;
    there.url = server_.url();
    there.compression = "none";
    there.max_batch_bytes = kMaxBatchBytes;
    there.concurrency = kConcurrency;
    settings_.destinations.push_back(there);
  }
  ~RestartTest() override {
    spool_.reset();
    asio::post(io_, [this] { server_.stop(); });
    thread_.join();
    std::filesystem::remove_all(directory_);
  }

  std::unique_ptr<spool::Spool> open() {
    auto opened = spool::Spool::open(spool_settings_);
    EXPECT_TRUE(opened.has_value()) << opened.error().sentence;
    return opened ? *std::move(opened) : nullptr;
  }
  void append(std::uint32_t n) {
    std::promise<bool> done;
    std::vector<spool::Entry> entries;
    entries.push_back(entry_of({{trace_number(n), span_number(n), std::string(1'000, 'x')}}));
    entries.back().header.trace_count = 1;
    entries.back().header.only_trace = trace_number(n);
    spool_->append(std::move(entries),
                   [&done](Result<spool::Appended> appended) { done.set_value(appended.has_value()); });
    ASSERT_TRUE(done.get_future().get());
    appended_.insert({trace_number(n), span_number(n)});
  }
  // With `hang`: stores everything, answers only so many.
  Answer store(const Received& r) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, name] : spans_in(r.body)) ++times_[key];
    ++requests_;
    changed_.notify_all();
    return {.hang = hang_ && requests_ > hang_after_};
  }
  void wait_for_requests(int n) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return requests_ >= n; }));
  }

  const std::filesystem::path directory_;
  spool::Settings spool_settings_;
  std::unique_ptr<spool::Spool> spool_;
  Settings settings_;
  std::set<SpanKey> appended_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::map<SpanKey, int> times_;
  int requests_ = 0, hang_after_ = 0;
  bool hang_ = false;
  asio::io_context io_;
  ScriptedServer server_;
  std::thread thread_;
};

TEST_F(RestartTest, RepeatsAtMostWhatWasInFlightAndLosesNothing) {
  for (std::uint32_t i = 0; i < 300; ++i) append(i);
  {
    const std::lock_guard lock(mutex_);
    hang_ = true;
    hang_after_ = 5;
  }
  auto first = Uploader::start(settings_, *spool_, {});
  ASSERT_TRUE(first) << first.error().sentence;
  // Five batches are answered, then as many as may be are stored there without an answer.
  wait_for_requests(5 + static_cast<int>(kConcurrency));
  first->reset();
  spool_.reset();
  {
    const std::lock_guard lock(mutex_);
    hang_ = false;
  }
  spool_ = open();
  for (std::uint32_t i = 300; i < 320; ++i) append(i);
  auto second = Uploader::start(settings_, *spool_, {});
  ASSERT_TRUE(second) << second.error().sentence;
  (*second)->drain(std::chrono::seconds(10));
  const DestinationStatus status = (*second)->status()[0];
  second->reset();
  std::set<SpanKey> stored;
  std::uint64_t repeated_bytes = 0;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, n] : times_) {
    stored.insert(key);
    repeated_bytes += static_cast<std::uint64_t>(n - 1) * 1'000;
  }
  EXPECT_EQ(stored, appended_);
  EXPECT_GT(repeated_bytes, 0U);
  EXPECT_LE(repeated_bytes, kConcurrency * kMaxBatchBytes);
  EXPECT_EQ(status.accounting.accepted, 320U);
  EXPECT_EQ(status.accounting.pending, 0U);
  EXPECT_EQ(status.accounting.settled[Outcome::delivered], 320U);
}

}  // namespace
}  // namespace spanferry::uploader
