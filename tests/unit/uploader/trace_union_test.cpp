// One trace, several daemons, one file that each of them replaces as a whole.
#include <random>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/uploader/trace_fixture.hpp"
#include "uploader/databricks_experiment_storage.hpp"

namespace spanferry::uploader {
namespace {

using namespace spanferry::testing;
using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Ids = std::vector<int>;

constexpr std::string_view kStart = "POST https://workspace/api/3.0/mlflow/traces";

mlflow::StoredSpan stored(std::uint8_t id, std::uint8_t parent) {
  mlflow::StoredSpan span;
  span.trace_id = trace_of(1);
  span.span_id = span_id(id);
  span.name = "span " + std::to_string(id);
  if (parent != 0) span.parent_id = span_id(parent);
  span.parent_is_remote = parent == 1;
  span.start_ns = 1'000'000'000ULL * id;
  span.end_ns = span.start_ns + 500'000'000;
  return span;
}

// A daemon as far as it delivers trace 1: what it has of it grows, and goes while something is new.
struct Daemon {
  Daemon(const TrackContext& context, UnionTuning tuning) : io(context.io), delivery(context, tuning) {}

  void have(mlflow::StoredSpan span) {
    ++last;
    mlflow::merge_spans(spans, {std::move(span)});
  }
  [[nodiscard]] GatheredTrace gathered() const {
    GatheredTrace trace;
    trace.trace.id = trace_of(1);
    trace.trace.spans = spans;
    for (Seq seq = 1; seq <= last; ++seq) trace.parts.emplace_back().seq = seq;
    trace.mark = mark;
    if (mark) trace.spans_of_mark = spans.size();
    return trace;
  }
  boost::asio::awaitable<void> deliver() {
    if (std::exchange(under_way, true)) co_return;
    for (int tries = 0; tries < 10'000 && delivered < last; ++tries) {
      GatheredTrace trace = gathered();
      const Seq end = last;
      const auto outcome = co_await delivery.deliver(trace, "7");
      if (!outcome || outcome->kind == TraceOutcome::Kind::later) {
        boost::asio::steady_timer timer(io, outcome ? outcome->again_in : milliseconds(0));
        co_await timer.async_wait(boost::asio::use_awaitable);
        continue;
      }
      if (outcome->kind != TraceOutcome::Kind::delivered) break;
      mark = TraceMark{outcome->spans, end, outcome->has_root};
      delivered = end;
    }
    under_way = false;
  }

  boost::asio::io_context& io;
  ExperimentStorageDelivery delivery;
  std::vector<mlflow::StoredSpan> spans;
  Seq last = 0, delivered = 0;
  bool under_way = false;  // a track has one delivery of a trace at a time
  std::optional<TraceMark> mark;
};

struct TraceUnion : TraceFixture {
  const std::string name = mlflow::trace_name_of(trace_of(1));
  std::mt19937 random{7};
  UnionTuning tuning{milliseconds(30'000), milliseconds(60'000), milliseconds(1)};
  std::array<std::unique_ptr<MemorySpool>, 3> spools;
  std::array<std::unique_ptr<Daemon>, 3> daemons;

  Daemon& daemon(std::size_t n) {
    if (!daemons[n]) {
      spools[n] = std::make_unique<MemorySpool>();
      daemons[n] = make(n);
    }
    return *daemons[n];
  }
  std::unique_ptr<Daemon> make(std::size_t n) {
    return std::make_unique<Daemon>(
        TrackContext{io, *spools[n], settings, defaults, workspace, &experiments, nullptr}, tuning);
  }
  // The process died; its spool stays.
  Daemon& start_again(std::size_t n) {
    spools[n]->append(std::vector<spool::Entry>(daemon(n).last), {});
    auto next = make(n);
    next->spans = daemon(n).spans;
    next->last = daemon(n).last;
    next->delivered = daemon(n).delivered;
    next->mark = daemon(n).mark;
    daemons[n] = std::move(next);
    return *daemons[n];
  }
  void deliver(Daemon& one) { boost::asio::co_spawn(io, one.deliver(), boost::asio::detached); }
  bool deliver_all(Daemon& one) {
    deliver(one);
    return run_until([&one] { return !one.under_way && one.delivered == one.last; });
  }
  bool idle() {
    return std::ranges::none_of(daemons, [](const auto& one) { return one && one->under_way; });
  }
  void requests_take_any_time() {
    workspace.on_its_way = [this]() -> boost::asio::awaitable<void> {
      for (auto n = random() % 8; n > 0; --n) co_await boost::asio::post(io, boost::asio::use_awaitable);
    };
  }
  Ids ids_there() {
    Ids ids;
    for (const auto& span : workspace.spans_of(trace_of(1))) ids.push_back(span.span_id.bytes[7]);
    std::ranges::sort(ids);
    return ids;
  }
  void expect_the_roots_scalars() {
    const mlflow::KnownInfo& known = workspace.known(name);
    EXPECT_EQ(known.state, "OK");
    EXPECT_EQ(known.request_time_ms, 1000);
    EXPECT_EQ(known.execution_duration_ms, 500);
    EXPECT_EQ(known.tags.at("mlflow.traceName"), "span 1");
  }
  void expect_no_trace_of_us() {
    EXPECT_THAT(workspace.known(name).metadata, Not(Contains(Key(StartsWith("spanferry")))));
    EXPECT_THAT(workspace.known(name).tags, Not(Contains(Key(StartsWith("spanferry")))));
  }
};

TEST_F(TraceUnion, WithoutARootWhatAnotherDaemonToldStaysAndTheSpansJoinIts) {
  const TraceId id = trace_of(1);
  mlflow::TraceInfo info;
  info.trace_id = name;
  workspace.infos[info.trace_id] = mlflow::start_trace_body(info, "77", mlflow::WithTags::yes);
  mlflow::StoredSpan root;
  root.trace_id = id;
  root.span_id = span_id(1);
  workspace.files[info.trace_id] = mlflow::spans_file({root}).body;
  append({trace_span(1, 2, 1).fixed32(otlp::span::kFlags, 0x300)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.calls_of("POST"), SizeIs(0));
  EXPECT_THAT(workspace.spans_of(id), SizeIs(2));
}

TEST_F(TraceUnion, AFileLostInARaceIsWrittenAgain) {
  const TraceId id = trace_of(1);
  mlflow::TraceInfo info;
  info.trace_id = name;
  info.metadata["mlflow.trace.sizeStats"] = "{}";
  workspace.infos[name] = mlflow::start_trace_body(info, "77", mlflow::WithTags::yes);
  const std::string theirs = mlflow::spans_file({stored(1, 0)}).body;
  workspace.files[name] = theirs;
  int overwrites = 1;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    // The other daemon read before we wrote, and writes after.
    if (!call.what.starts_with("PUT") || overwrites-- <= 0) return std::nullopt;
    workspace.known(name).tags["spanferry.part.other"] = "written 1";
    workspace.files[name] = theirs;
    return answer(200);
  };
  append({trace_span(1, 2, 1).fixed32(otlp::span::kFlags, 0x300)});
  start();
  ASSERT_TRUE(run_until_settled());
  EXPECT_THAT(workspace.spans_of(id), SizeIs(2));
}

TEST_F(TraceUnion, TheRootsDaemonKeepsTheSpansOfOneThatCameFirst) {
  daemon(1).have(stored(2, 1));
  ASSERT_TRUE(deliver_all(daemon(1)));
  EXPECT_THAT(workspace.infos[name], HasSubstr("\":\"first\""));
  daemon(0).have(stored(1, 0));
  ASSERT_TRUE(deliver_all(daemon(0)));
  EXPECT_EQ(ids_there(), (Ids{1, 2}));
  expect_the_roots_scalars();
}

TEST_F(TraceUnion, LateSpansOnEitherSideKeepThoseOfTheOther) {
  daemon(0).have(stored(1, 0));
  ASSERT_TRUE(deliver_all(daemon(0)));
  daemon(1).have(stored(2, 1));
  ASSERT_TRUE(deliver_all(daemon(1)));
  daemon(0).have(stored(3, 1));
  ASSERT_TRUE(deliver_all(daemon(0)));
  daemon(1).have(stored(4, 2));
  ASSERT_TRUE(deliver_all(daemon(1)));
  EXPECT_EQ(ids_there(), (Ids{1, 2, 3, 4}));
  expect_the_roots_scalars();
}

TEST_F(TraceUnion, ARootsDaemonAloneWritesOnceAndSaysNothing) {
  daemon(0).have(stored(1, 0));
  ASSERT_TRUE(deliver_all(daemon(0)));
  EXPECT_THAT(workspace.calls, SizeIs(3));
  expect_no_trace_of_us();
}

TEST_F(TraceUnion, LateSpansOfOneDaemonAloneLeaveNoTagOfOursAndReadNoFile) {
  daemon(0).have(stored(1, 0));
  ASSERT_TRUE(deliver_all(daemon(0)));
  daemon(0).have(stored(2, 1));
  ASSERT_TRUE(deliver_all(daemon(0)));
  EXPECT_EQ(ids_there(), (Ids{1, 2}));
  expect_no_trace_of_us();
  EXPECT_THAT(workspace.calls_of("credentials-for-data-download"), IsEmpty());
}

TEST_F(TraceUnion, AStartTraceWithoutTheRootThatComesJustAfterTheRootsUndoesNothing) {
  // This daemon saw no trace there; then that of the root was faster.
  workspace.intervene = [this](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what != kStart) return std::nullopt;
    workspace.intervene = nullptr;
    mlflow::TraceInfo info;
    info.trace_id = name;
    info.metadata["mlflow.trace.sizeStats"] = "{}";
    info.tags["mlflow.traceName"] = "span 1";
    workspace.infos[name] = mlflow::start_trace_body(info, "7", mlflow::WithTags::yes);
    workspace.files[name] = mlflow::spans_file({stored(1, 0)}).body;
    return std::nullopt;
  };
  daemon(1).have(stored(2, 1));
  ASSERT_TRUE(deliver_all(daemon(1)));
  EXPECT_EQ(ids_there(), (Ids{1, 2}));
  expect_the_roots_scalars();
}

TEST_F(TraceUnion, WhoFoundATraceToldButNotWrittenWaitsForItsFile) {
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (!call.what.starts_with("PUT")) return std::nullopt;
    return refusal(Action::stopped, 0);  // the root's daemon dies before its upload
  };
  daemon(0).have(stored(1, 0));
  deliver(daemon(0));
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of("PUT").empty() && idle(); }));
  workspace.intervene = nullptr;
  daemon(1).have(stored(2, 1));
  deliver(daemon(1));
  ASSERT_TRUE(run_until([this] { return workspace.calls_of("credentials-for-data-download").size() > 5; }));
  EXPECT_THAT(ids_there(), IsEmpty());
  ASSERT_TRUE(deliver_all(start_again(0)));
  ASSERT_TRUE(run_until([this] { return idle(); }));
  EXPECT_EQ(ids_there(), (Ids{1, 2}));
  expect_the_roots_scalars();
}

TEST_F(TraceUnion, NobodyWaitsForOneThatWaitsItself) {
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (!call.what.starts_with("PUT")) return std::nullopt;
    return refusal(Action::stopped, 0);  // the first one, without the root, dies before its upload
  };
  daemon(1).have(stored(2, 1));
  deliver(daemon(1));
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of("PUT").empty() && idle(); }));
  workspace.intervene = nullptr;
  daemon(0).have(stored(1, 0));
  deliver(daemon(0));
  ASSERT_TRUE(run_until([this] { return workspace.calls_of("credentials-for-data-download").size() > 5; }));
  ASSERT_TRUE(deliver_all(start_again(1)));
  ASSERT_TRUE(run_until([this] { return idle(); }));
  EXPECT_EQ(ids_there(), (Ids{1, 2}));
  expect_the_roots_scalars();
}

TEST_F(TraceUnion, WhoDiedBeforeItsFileWasWrittenIsNotWaitedForForEver) {
  tuning.patience = milliseconds(50);
  daemon(0).have(stored(1, 0));
  ASSERT_TRUE(deliver_all(daemon(0)));
  workspace.files.clear();
  workspace.known(name).tags["spanferry.part.gone"] = "writing 1";
  daemon(1).have(stored(2, 1));
  ASSERT_TRUE(deliver_all(daemon(1)));
  EXPECT_EQ(ids_there(), (Ids{2}));
}

TEST_F(TraceUnion, AnUploadOfUnknownFateIsNotRepeatedBlindly) {
  // The file arrived, its answer did not; meanwhile another daemon has added its span.
  int lost = 1;
  workspace.intervene = [&](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (!call.what.starts_with("PUT") || lost-- <= 0) return std::nullopt;
    workspace.files[name] = mlflow::spans_file({stored(1, 0), stored(2, 1)}).body;
    workspace.known(name).tags["spanferry.part.other"] = "written 1";
    return refusal(Action::again, 0);
  };
  daemon(0).have(stored(1, 0));
  ASSERT_TRUE(deliver_all(daemon(0)));
  EXPECT_EQ(ids_there(), (Ids{1, 2}));
}

TEST_F(TraceUnion, ATagThatSomebodyChangedIsNotUndoneByAReplay) {
  workspace.intervene = [](const FakeWorkspace::Call& call) -> std::optional<Verdict> {
    if (call.what.starts_with("PUT")) return refusal(Action::stopped, 0);
    return std::nullopt;
  };
  daemon(0).have(stored(1, 0));
  deliver(daemon(0));
  ASSERT_TRUE(run_until([this] { return !workspace.calls_of("PUT").empty() && idle(); }));
  workspace.intervene = nullptr;
  workspace.known(name).tags["mlflow.traceName"] = "renamed";
  ASSERT_TRUE(deliver_all(start_again(0)));
  EXPECT_EQ(workspace.known(name).tags["mlflow.traceName"], "renamed");
  EXPECT_EQ(ids_there(), (Ids{1}));
  expect_no_trace_of_us();
}

TEST_F(TraceUnion, WhateverTheOrderOfTheirRequestsTheSpansOfThreeDaemonsAreAllThere) {
  requests_take_any_time();
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    random.seed(seed);
    workspace.forget();
    workspace.calls.clear();
    daemons = {};
    Ids all;
    for (int round = 0; round < 3; ++round) {
      for (std::size_t n = 0; n < 3; ++n) {
        const auto id = static_cast<std::uint8_t>(1 + n + 3U * static_cast<unsigned>(round));
        daemon(n).have(stored(id, id == 1 ? 0 : 1));
        all.push_back(id);
      }
      for (std::size_t n = 0; n < 3; ++n)
        if (random() % 2 == 0) deliver(daemon(n));
      if (random() % 2 == 0) {
        ASSERT_TRUE(run_until([this] { return idle(); }));
      }
    }
    for (const auto& one : daemons) deliver(*one);
    ASSERT_TRUE(run_until([this] {
      return idle() &&
             std::ranges::all_of(daemons, [](const auto& one) { return one->delivered == one->last; });
    }));
    ASSERT_EQ(ids_there(), all);
    expect_the_roots_scalars();
  }
}

}  // namespace
}  // namespace spanferry::uploader
