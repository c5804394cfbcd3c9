#include "uploader/uploader.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/net/scripted_server.hpp"
#include "tests/unit/uploader/memory_spool.hpp"
#include "tests/unit/uploader/spans.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;  // NOLINT: builders
namespace asio = boost::asio;

// A far side on a thread of its own, as the deliver thread is another.
class FarSide {
 public:
  explicit FarSide(ScriptedServer::Script script)
      : server_(io_, std::move(script)), thread_([this] { io_.run(); }) {}
  ~FarSide() {
    asio::post(io_, [this] { server_.stop(); });
    thread_.join();
  }
  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()); }

 private:
  asio::io_context io_;
  ScriptedServer server_;
  std::thread thread_;
};

DestinationSettings otlp_to(const std::string& name, const std::string& url) {
  DestinationSettings settings;
  settings.name = name;
  settings.kind = Kind::otlp;
  settings.url = url;
  settings.from = From::oldest;
  return settings;
}

void append(MemorySpool& spool, std::uint32_t n) {
  std::vector<spool::Entry> entries;
  entries.push_back(entry_of({{trace_number(n), span_number(n)}}));
  spool.append(std::move(entries), {});
}

TEST(Uploader, DeliversToEachDestinationByItselfAndTellsSo) {
  std::mutex mutex;
  std::set<SpanKey> first, second;
  const auto into = [&](std::set<SpanKey>& set) {
    return [&](const Received& r) {
      const std::lock_guard lock(mutex);
      const bool gzipped = r.headers.contains("content-encoding");
      for (const auto& [key, name] : spans_in(gzipped ? gunzip(r.body) : r.body)) set.insert(key);
      return Answer{};
    };
  };
  FarSide one(into(first)), two(into(second)),
      refusing([](const Received&) { return Answer{.status = 503}; });
  MemorySpool spool;
  Settings settings;
  settings.destinations = {otlp_to("one", one.url()), otlp_to("two", two.url()),
                           otlp_to("three", refusing.url())};
  settings.destinations.push_back({});
  settings.destinations.back().name = "here";
  std::set<SpanKey> appended;
  for (std::uint32_t i = 0; i < 100; ++i) {
    append(spool, i);
    appended.insert({trace_number(i), span_number(i)});
  }
  auto uploader = Uploader::start(settings, spool, {});
  ASSERT_TRUE(uploader) << uploader.error().sentence;
  for (std::uint32_t i = 100; i < 200; ++i) {
    append(spool, i);
    appended.insert({trace_number(i), span_number(i)});
  }
  (*uploader)->drain(std::chrono::milliseconds(1000));
  const auto status = (*uploader)->status();
  ASSERT_EQ(status.size(), 4U);
  for (const std::size_t i : {0U, 1U}) {
    EXPECT_EQ(status[i].state, DestinationState::draining);
    EXPECT_EQ(status[i].delivered_spans, 200U);
    EXPECT_EQ(status[i].lag_records, 0U);
    EXPECT_EQ(status[i].lag_s, 0);
  }
  EXPECT_EQ(status[2].state, DestinationState::retrying);
  EXPECT_EQ(status[2].lag_records, 200U);
  EXPECT_GT(status[2].lag_s, 0);
  EXPECT_EQ(status[2].accounting.pending, 200U);
  EXPECT_EQ(status[3].kind, "local");
  EXPECT_EQ(status[3].delivered_spans, 200U);
  const auto delivery = (*uploader)->delivery_of(trace_number(5), {6});
  ASSERT_EQ(delivery.size(), 4U);
  EXPECT_TRUE(delivery[0].settled);
  EXPECT_FALSE(delivery[2].settled);
  EXPECT_TRUE(delivery[3].settled);
  uploader->reset();
  const std::lock_guard lock(mutex);
  EXPECT_EQ(first, appended);
  EXPECT_EQ(second, appended);
}

TEST(Uploader, ReturnsFromADrainAsSoonAsNothingIsPending) {
  FarSide there([](const Received&) { return Answer{}; });
  MemorySpool spool;
  Settings settings;
  settings.destinations = {otlp_to("there", there.url())};
  auto uploader = Uploader::start(settings, spool, {});
  ASSERT_TRUE(uploader);
  append(spool, 1);
  const auto start = std::chrono::steady_clock::now();
  (*uploader)->drain(std::chrono::seconds(60));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_EQ((*uploader)->status()[0].delivered_spans, 1U);
}

TEST(Uploader, StopsAtOnceWhileAFarSideHangs) {
  FarSide hanging([](const Received&) { return Answer{.hang = true}; });
  MemorySpool spool;
  for (std::uint32_t i = 0; i < 10; ++i) append(spool, i);
  Settings settings;
  for (const Kind kind : {Kind::otlp, Kind::mlflow, Kind::databricks}) {
    settings.destinations.push_back(
        otlp_to("there " + std::to_string(static_cast<int>(kind)), hanging.url()));
    settings.destinations.back().kind = kind;
    settings.destinations.back().experiment = "an experiment";
  }
  auto uploader = Uploader::start(settings, spool, {});
  ASSERT_TRUE(uploader);
  (*uploader)->drain(std::chrono::milliseconds(50));
  const auto start = std::chrono::steady_clock::now();
  uploader->reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

class ReloadTest : public ::testing::Test {
 protected:
  FarSide one_{[this](const Received& r) { return take(one_spans_, r); }};
  FarSide two_{[this](const Received& r) { return take(two_spans_, r); }};
  FarSide hanging_{[](const Received&) { return Answer{.hang = true}; }};
  MemorySpool spool_;
  Settings settings_;
  std::unique_ptr<Uploader> uploader_;

  void start() {
    auto started = Uploader::start(settings_, spool_, {"127.0.0.1:4318"});
    ASSERT_TRUE(started) << started.error().sentence;
    uploader_ = *std::move(started);
  }
  void expect_all(const std::set<SpanKey>& spans, std::uint32_t first, std::uint32_t last) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::set<SpanKey> wanted;
    for (std::uint32_t i = first; i < last; ++i) wanted.insert({trace_number(i), span_number(i)});
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, until, [&] { return spans == wanted; });
    EXPECT_EQ(spans, wanted);
  }
  std::set<SpanKey> one_spans_, two_spans_;

 private:
  Answer take(std::set<SpanKey>& into, const Received& r) {
    const std::lock_guard lock(mutex_);
    const bool gzipped = r.headers.contains("content-encoding");
    for (const auto& [key, name] : spans_in(gzipped ? gunzip(r.body) : r.body)) into.insert(key);
    changed_.notify_all();
    return {};
  }
  std::mutex mutex_;
  std::condition_variable changed_;
};

TEST_F(ReloadTest, StartsWhatIsNewAndLeavesTheOthersAlone) {
  settings_.destinations = {otlp_to("one", one_.url())};
  start();
  for (std::uint32_t i = 0; i < 10; ++i) append(spool_, i);
  expect_all(one_spans_, 0, 10);
  settings_.destinations.push_back(otlp_to("two", two_.url()));
  settings_.destinations.back().from = From::now;
  const auto requests = uploader_->status()[0].requests;
  ASSERT_TRUE(uploader_->reload(settings_));
  EXPECT_EQ(uploader_->status().size(), 2U);
  EXPECT_GE(uploader_->status()[0].requests, requests);
  for (std::uint32_t i = 10; i < 20; ++i) append(spool_, i);
  expect_all(one_spans_, 0, 20);
  expect_all(two_spans_, 10, 20);
}

TEST_F(ReloadTest, StopsWhatIsGoneAndReleasesItsPlace) {
  settings_.destinations = {otlp_to("one", one_.url()), otlp_to("two", hanging_.url())};
  settings_.destinations.back().kind = Kind::mlflow;
  start();
  append(spool_, 0);
  expect_all(one_spans_, 0, 1);
  settings_.destinations.pop_back();
  ASSERT_TRUE(uploader_->reload(settings_));
  EXPECT_EQ(spool_.released, (std::set<std::string>{"two", "two#info"}));
  EXPECT_EQ(uploader_->status().size(), 1U);
  append(spool_, 1);
  expect_all(one_spans_, 0, 2);
}

TEST_F(ReloadTest, StartsAChangedOneAgainWhereItWas) {
  settings_.destinations = {otlp_to("one", one_.url())};
  start();
  append(spool_, 0);
  expect_all(one_spans_, 0, 1);
  ASSERT_TRUE(uploader_->status()[0].delivered_spans <= 1);
  uploader_->drain(std::chrono::seconds(20));
  settings_.destinations[0].url = two_.url();
  ASSERT_TRUE(uploader_->reload(settings_));
  append(spool_, 1);
  expect_all(two_spans_, 1, 2);
  EXPECT_TRUE(spool_.released.empty());
}

TEST_F(ReloadTest, ChangesNothingWhenOneCannotBe) {
  settings_.destinations = {otlp_to("one", one_.url())};
  start();
  auto bad = settings_;
  bad.destinations = {otlp_to("two", two_.url()), otlp_to("loop", "http://localhost:4318")};
  EXPECT_EQ(uploader_->reload(bad).error().kind, ErrorKind::configuration);
  append(spool_, 0);
  expect_all(one_spans_, 0, 1);
  EXPECT_EQ(uploader_->status()[0].name, "one");
}

TEST(Uploader, RefusesToDeliverToItself) {
  MemorySpool spool;
  Settings settings;
  settings.destinations = {otlp_to("loop", "http://localhost:4318")};
  const auto uploader = Uploader::start(settings, spool, {"127.0.0.1:4318"});
  ASSERT_FALSE(uploader);
  EXPECT_EQ(uploader.error().kind, ErrorKind::configuration);
  EXPECT_NE(uploader.error().sentence.find("own listener"), std::string::npos);
}

TEST(Uploader, RefusesAUrlThatIsNone) {
  MemorySpool spool;
  Settings settings;
  settings.destinations = {otlp_to("bad", "localhost:4318")};
  const auto uploader = Uploader::start(settings, spool, {});
  ASSERT_FALSE(uploader);
  EXPECT_NE(uploader.error().sentence.find("destination bad"), std::string::npos);
}

}  // namespace
}  // namespace spanferry::uploader
