// Random actions against a small model of what must hold, with reopenings, power cuts and failing syncs in
// between. The seed is printed; SPANFERRY_SEED repeats a run.
#include <cstdlib>
#include <map>
#include <random>

#include "spool/inspect.hpp"
#include "tests/unit/spool/crashing_env.hpp"
#include "tests/unit/spool/spool_fixture.hpp"

namespace spanferry::spool {
namespace {

class ModelTest : public SpoolTest {
 protected:
  struct Kept {
    std::string payload;
    std::vector<TraceId> traces;
    std::uint32_t spans = 0;
  };

  ModelTest() {
    internals.env = env.get();
    internals.flush_at_close = false;
    const char* seed = std::getenv("SPANFERRY_SEED");
    const unsigned chosen = seed != nullptr ? static_cast<unsigned>(std::atoi(seed)) : std::random_device{}();
    random.seed(chosen);
    RecordProperty("seed", std::to_string(chosen));
    std::printf("seed %u\n", chosen);
  }
  ~ModelTest() override { spool.reset(); }

  unsigned pick(unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random); }

  void heal() {
    disk->failing_syncs = 0;
    disk->failing_appends = 0;
  }

  void start() {
    heal();
    open();
    for (const auto* name : {"a", "b"}) cursors[name] = cursor(name);
  }

  void append_some() {
    const unsigned n = 1 + pick(6);
    std::vector<std::pair<Kept, std::future<Result<Appended>>>> waiting;
    for (unsigned i = 0; i < n; ++i) {
      Kept kept;
      kept.payload = text_payload(1 + pick(pick(4) == 0 ? 90'000 : 3'000), static_cast<unsigned>(random()));
      const unsigned traces = pick(4);
      for (unsigned t = 0; t < traces; ++t) kept.traces.push_back(trace_of(++traces_made));
      kept.spans = traces * 2;
      waiting.emplace_back(kept, append_later(*spool, entry_of(kept.payload, kept.traces, kept.spans)));
    }
    for (auto& [kept, future] : waiting) {
      if (const auto place = future.get()) acknowledged[place->first] = std::move(kept);
    }
  }

  void settle_some() {
    auto it = cursors.begin();
    std::advance(it, pick(2));
    Cursor& c = *it->second;
    auto batch = spool->read(c.position() + pick(4), 300'000, 20);
    if (!batch) return;  // being reopened
    std::vector<Settled> settled;
    for (const auto& record : batch->records) {
      if (pick(3) == 0) continue;
      const auto known = acknowledged.find(record.seq);
      const auto outcome = static_cast<Outcome>(pick(kOutcomes));
      const bool in_parts = known != acknowledged.end() && known->second.traces.size() > 1 && pick(2) == 0;
      if (in_parts) {
        const auto& traces = known->second.traces;
        const auto& trace = traces[pick(static_cast<unsigned>(traces.size()))];
        if (pick(3) == 0) {
          settled.push_back(
              {record.seq, record.header.span_count, record.header.trace_count, trace, {}, {}, {}});
          settled.back().parked.push_back(parked_part(record, trace, 2, record.payload));
          continue;
        }
        settled.push_back({record.seq,
                           record.header.span_count,
                           record.header.trace_count,
                           trace,
                           SpanCounts::of(outcome, 2),
                           {}});
      } else {
        std::uint64_t left = record.header.span_count;
        if (known != acknowledged.end()) {
          for (const auto& trace : known->second.traces) left -= c.settled(record.seq, trace) ? 2 : 0;
        }
        settled.push_back(Settled::all(record, SpanCounts::of(outcome, left)));
      }
    }
    c.settle(std::move(settled));
    for (const auto& gap : batch->gaps) c.settle(gap);
  }

  void settle_some_parked() {
    for (const auto& [name, c] : cursors) {
      const auto parts = c->read_parked({}, 100'000);
      if (!parts) return;  // being reopened
      std::vector<SettledParked> settled;
      for (const auto& part : *parts) {
        const auto known = acknowledged.find(part.key.seq);
        if (known != acknowledged.end()) {
          EXPECT_EQ(*part.payload, known->second.payload);
        }
        if (pick(2) == 0)
          settled.emplace_back(part, SpanCounts::of(static_cast<Outcome>(pick(kOutcomes)), 2));
      }
      c->settle_parked(std::move(settled));
    }
  }

  // A power cut. What was settled may be forgotten, what was acknowledged may not.
  void crash() {
    disk->cut_power();
    spool.reset();
    disk->forget_unsynced();
    disk->restore_power();
    start();
    for (const auto& [name, c] : cursors) check_cursor(*c);
  }

  void check_cursor(const Cursor& c) {
    const auto a = c.accounting();
    ASSERT_EQ(a.accepted, a.settled.total() + a.pending) << c.name();
    EXPECT_EQ(a.accepted, spool->status().appended_spans);
    EXPECT_GE(c.position(), spool->first());
    EXPECT_LE(c.position(), spool->end());
  }

  // Everything acknowledged that some cursor still needs can be read, unchanged, in order.
  void check() {
    for (const auto& [name, c] : cursors) check_cursor(*c);
    std::vector<Gap> gaps;
    std::map<Seq, Record> there;
    for (auto& record : read_all(1, &gaps)) there[record.seq] = std::move(record);
    EXPECT_TRUE(gaps.empty());
    for (const auto& [seq, kept] : acknowledged) {
      if (seq < spool->first()) continue;
      ASSERT_TRUE(there.contains(seq)) << seq;
      EXPECT_EQ(*there[seq].payload, kept.payload);
      for (const auto& trace : kept.traces) EXPECT_EQ(*spool->records_of(trace), std::vector<Seq>{seq});
    }
    for (const auto& [name, c] : cursors) {
      std::uint64_t pending = 0;
      for (const auto& [seq, record] : there) {
        if (seq < c->position() || c->settled(seq)) continue;
        pending += record.header.span_count;
        const auto known = acknowledged.find(seq);
        if (known == acknowledged.end()) continue;
        for (const auto& trace : known->second.traces) pending -= c->settled(seq, trace) ? 2 : 0;
      }
      const auto parked = c->read_parked({}, SIZE_MAX);
      ASSERT_TRUE(parked) << parked.error().sentence;
      EXPECT_EQ(parked->size(), c->parked().records) << name;
      EXPECT_EQ(c->accounting().pending, pending + 2 * parked->size()) << name;
    }
  }

  std::shared_ptr<CrashingFileSystem> disk = std::make_shared<CrashingFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
  std::mt19937 random;
  std::map<std::string, Cursor*> cursors;
  std::map<Seq, Kept> acknowledged;
  std::uint64_t traces_made = 0;
};

TEST_F(ModelTest, HoldsItsPromisesUnderRandomActionsAndCrashes) {
  start();
  for (int step = 0; step < 400 && !HasFatalFailure(); ++step) {
    const unsigned action = pick(100);
    if (action < 55) {
      append_some();
    } else if (action < 85) {
      settle_some();
    } else if (action < 90) {
      settle_some_parked();
    } else if (action < 93) {
      disk->failing_syncs = 1;
    } else if (action < 95) {
      disk->failing_appends = 1;
    } else if (action < 97) {
      crash();
    } else if (action < 98) {
      internals.flush_at_close = true;  // a clean stop
      start();
      internals.flush_at_close = false;
    } else {
      heal();
      ASSERT_TRUE(eventually([&] { return spool->status().not_accepting_reason != "io_error"; }));
      check();
    }
  }
  heal();
  ASSERT_TRUE(eventually([&] { return append(*spool, entry_of("last", {}, 0)).has_value(); }));
  check();
  crash();
  check();
}

}  // namespace
}  // namespace spanferry::spool
