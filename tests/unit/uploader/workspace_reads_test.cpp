#include "uploader/workspace_reads.hpp"

#include <condition_variable>
#include <thread>

#include "tests/unit/uploader/memory_spool.hpp"
#include "tests/unit/uploader/sender_fixture.hpp"
#include "uploader/uploader.hpp"

namespace spanferry::uploader {
namespace {

namespace asio = boost::asio;
using spanferry::testing::Answer;
using spanferry::testing::MemorySpool;
using spanferry::testing::Received;
using spanferry::testing::run_until;
using spanferry::testing::ScriptedServer;
using std::chrono::milliseconds;

class WorkspaceReadsTest : public SenderFixture {
 protected:
  WorkspaceReadsTest() : SenderFixture(Kind::mlflow, Answer{}) {}
  void TearDown() override {
    if (reads) {
      reads->refuse();
      reads->stop();
    }
    SenderFixture::TearDown();
  }
  void make() {
    reads = std::make_unique<WorkspaceReads>(
        io, settings, make_sender({}), ReadTuning{.probe = {milliseconds(2), milliseconds(4)}, .most = 4});
  }
  Result<ReadAnswer> read(ReadRequest request) {
    if (!reads) make();
    std::optional<Result<ReadAnswer>> got;
    reads->read(std::move(request), [&](Result<ReadAnswer> answer) { got = std::move(answer); });
    EXPECT_TRUE(run_until(io, [&] { return got.has_value(); }));
    return got ? *std::move(got) : fail(ErrorKind::internal, "none");
  }
  static ReadRequest get() { return {.path = "/api/2.0/mlflow/experiments/get?experiment_id=1"}; }

  std::unique_ptr<WorkspaceReads> reads;
};

TEST_F(WorkspaceReadsTest, AskWithTheDestinationsCredentialAndGiveTheAnswerAsItIs) {
  settings.token.value = "a-token";
  server.set_script([](const Received&) {
    return Answer{.status = 404, .headers = {{"content-type", "application/json"}}, .body = "{}"};
  });
  make();
  EXPECT_EQ(reads->state(), ReadState::unproven);
  const auto answer = read({.method = "POST", .path = "/api/3.0/mlflow/traces/search", .body = "{\"a\":1}"});
  ASSERT_TRUE(answer) << answer.error().sentence;
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->content_type, "application/json");
  EXPECT_EQ(answer->body, "{}");
  const auto& request = server.received().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/api/3.0/mlflow/traces/search");
  EXPECT_EQ(request.body, "{\"a\":1}");
  EXPECT_EQ(request.headers.at("authorization"), "Bearer a-token");
  EXPECT_EQ(request.headers.at("content-type"), "application/json");
  EXPECT_TRUE(request.headers.contains("x-spanferry-hop"));
  EXPECT_EQ(reads->state(), ReadState::ok);
}

TEST_F(WorkspaceReadsTest, FollowASignedAddressWithoutTheCredential) {
  settings.token.value = "a-token";
  std::string url;
  server.set_script([&](const Received& r) {
    if (r.target != "/download")
      return Answer{.status = r.target == "/gone" ? 404 : 200,
                    .headers = {{"content-type", "image/png"}},
                    .body = "bytes"};
    return Answer{.body = R"({"credential_info":{"type":"AWS_PRESIGNED_URL","signed_uri":")" + url +
                          R"(","headers":[{"name":"x-amz-a","value":"b"}]}})"};
  });
  url = server.url() + "/file?sig=1";
  const ReadRequest request{.path = "/download", .behind_signed_address = true};
  const auto answer = read(request);
  ASSERT_TRUE(answer) << answer.error().sentence;
  EXPECT_EQ(answer->body, "bytes");
  EXPECT_EQ(answer->content_type, "image/png");
  const auto& asked = server.received().at(1);
  EXPECT_EQ(asked.method, "GET");
  EXPECT_EQ(asked.target, "/file?sig=1");
  EXPECT_EQ(asked.headers.at("x-amz-a"), "b");
  EXPECT_FALSE(asked.headers.contains("authorization"));
  url = server.url() + "/gone";
  EXPECT_EQ(read(request)->status, 404);
  EXPECT_EQ(reads->state(), ReadState::ok);
  const auto refused = read({.path = "/gone", .behind_signed_address = true});
  EXPECT_EQ(refused->status, 404) << "what is said instead of an address is the answer";
}

TEST_F(WorkspaceReadsTest, MakeTheDestinationAwayUntilAProbeIsAnsweredAndPauseNoDelivery) {
  bool up = false;
  server.set_script([&](const Received&) { return Answer{.status = up ? 200 : 503}; });
  const auto answer = read(get());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(reads->state(), ReadState::away);
  EXPECT_EQ(sender->health().state(), DestinationState::ok);
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() >= 4; })) << "it is not probed";
  EXPECT_EQ(reads->state(), ReadState::away);
  up = true;
  EXPECT_TRUE(run_until(io, [&] { return reads->state() == ReadState::ok; }));
}

TEST_F(WorkspaceReadsTest, EndAtTheirDeadlineAndAtTheirLimitOfBytes) {
  server.set_script([](const Received& r) {
    if (r.target == "/long") return Answer{.body = std::string(2000, 'x')};
    return Answer{.hang = true};
  });
  const auto large = read({.path = "/long", .max_answer_bytes = 1000});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().kind, ErrorKind::too_large);
  EXPECT_NE(reads->state(), ReadState::away);
  const auto late = read({.path = "/never", .deadline = milliseconds(20)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_EQ(reads->state(), ReadState::away);
}

TEST_F(WorkspaceReadsTest, AreBoundedAndCancelledByAStop) {
  server.set_script([](const Received&) { return Answer{.hang = true}; });
  make();
  std::vector<ErrorKind> ends;
  const auto end = [&](const Result<ReadAnswer>& answer) {
    ends.push_back(answer ? ErrorKind::internal : answer.error().kind);
  };
  for (int i = 0; i < 5; ++i) reads->read(get(), end);
  ASSERT_EQ(ends, std::vector{ErrorKind::unavailable}) << "the fifth is one too many";
  ASSERT_TRUE(run_until(io, [&] { return server.received().size() == 4; }));
  reads->refuse();
  reads->stop();
  EXPECT_EQ(ends.size(), 5U);
  reads->read(get(), end);
  EXPECT_EQ(ends.back(), ErrorKind::cancelled);
}

TEST_F(WorkspaceReadsTest, HaveARefusedAccessTokenRenewedOnce) {
  settings.kind = Kind::databricks;
  settings.client_id.value = "app";
  settings.client_secret.value = "secret";
  int tokens = 0;
  server.set_script([&](const Received& r) {
    if (r.target.contains(".well-known")) return Answer{.status = 404};
    if (r.target.contains("/oidc/"))
      return Answer{.body = R"({"access_token":"t)" + std::to_string(++tokens) + R"(","expires_in":3600})"};
    return Answer{.status = r.headers.at("authorization") == "Bearer t2" ? 200 : 401};
  });
  const auto answer = read(get());
  ASSERT_TRUE(answer) << answer.error().sentence;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(tokens, 2);
}

// Each asked read is answered exactly once, whatever happens to its destination meanwhile.
TEST(UploaderReads, AreAnsweredOnceWhileDestinationsAreReplacedAndStopped) {
  asio::io_context io;
  ScriptedServer server(io, [](const Received&) { return Answer{.body = "{}"}; });
  std::thread far_side([&] { io.run(); });
  MemorySpool spool;
  Settings settings;
  settings.destinations.emplace_back();
  settings.destinations[0].name = "there";
  settings.destinations[0].kind = Kind::mlflow;
  settings.destinations[0].url = server.url();
  auto uploader = Uploader::start(settings, spool, {});
  ASSERT_TRUE(uploader);
  EXPECT_EQ((*uploader)->read_state("nobody"), ReadState::none);
  std::mutex mutex;
  std::condition_variable changed;
  std::atomic<bool> enough = false;
  int asked = 0;
  int answered = 0;
  int well = 0;
  const auto ask = [&] {
    while (!enough) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return asked - answered < 8; });
        ++asked;
      }
      (*uploader)->read("there", {.path = "/x"}, [&](const Result<ReadAnswer>& answer) {
        const std::lock_guard lock(mutex);
        ++answered;
        if (answer) ++well;
        changed.notify_all();
      });
    }
  };
  std::thread one(ask);
  std::thread two(ask);
  for (int i = 0; i < 5; ++i) {
    {
      std::unique_lock lock(mutex);
      const int before = well;
      EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return well > before + 10; }));
    }
    settings.destinations[0].timeout += milliseconds(1);
    ASSERT_TRUE((*uploader)->reload(settings));
  }
  enough = true;
  one.join();
  two.join();
  uploader->reset();
  EXPECT_EQ(asked, answered);
  asio::post(io, [&] { server.stop(); });
  far_side.join();
}

}  // namespace
}  // namespace spanferry::uploader
