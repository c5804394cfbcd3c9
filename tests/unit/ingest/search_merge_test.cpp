// One page of a search, of what is here and of what the far side found.
#include "ingest/mlflow_api/search_merge.hpp"

#include <condition_variable>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ingest/mlflow_api/search_desk.hpp"
#include "tests/unit/ingest/fake_spool.hpp"

namespace spanferry::test {
namespace {

using ingest::Api;
using ingest::FarPage;
using ingest::SearchMatcher;
using ingest::SearchPage;
using ingest::SearchPosition;
using ingest::WorkspaceAnswer;
using ingest::WorkspaceRequest;

constexpr std::int64_t kTime = 1'700'000'000'000;

TraceId trace(std::uint8_t n) {
  TraceId id;
  id.bytes.back() = n;
  return id;
}

class FakeFarSide final : public ingest::WorkspaceReader {
 public:
  [[nodiscard]] State state() const override { return State::ok; }
  [[nodiscard]] Kind kind() const override { return Kind::databricks; }
  [[nodiscard]] std::string destination() const override { return "far"; }
  [[nodiscard]] bool settled(const TraceId& id, const std::vector<Seq>& records) const override {
    return delivered.contains(id) && (records.empty() || records.back() < undelivered_from);
  }
  void read(WorkspaceRequest request, std::move_only_function<void(Result<WorkspaceAnswer>)> done) override {
    asked.push_back(request.method + " " + request.path);
    if (answers.empty()) return done(fail(ErrorKind::timeout, "no answer"));
    auto answer = std::move(answers.front());
    answers.erase(answers.begin());
    done(std::move(answer));
  }
  std::set<TraceId> delivered;
  Seq undelivered_from = std::numeric_limits<Seq>::max();
  std::vector<std::string> asked;
  std::vector<WorkspaceAnswer> answers;
};

class SearchMergeTest : public ::testing::Test {
 protected:
  SearchMergeTest() {
    api.now_ms = [] { return kTime; };
  }

  void write(RecordKind kind, std::uint8_t n, std::string payload) {
    spool::Entry entry;
    entry.header.kind = kind;
    entry.header.only_trace = trace(n);
    entry.header.received_ns = kTime * 1'000'000;
    entry.traces = {trace(n)};
    entry.payload = std::make_shared<const std::string>(std::move(payload));
    std::vector<spool::Entry> entries;
    entries.push_back(std::move(entry));
    spool.append(std::move(entries), [](const Result<spool::Appended>&) {});
    ASSERT_TRUE(spool.wait_for_records(++written_));
  }
  // It began at kTime + n.
  static std::string info(std::uint8_t n, const std::string& tag = "far", const std::string& request = "") {
    mlflow::WrittenInfo written;
    written.trace = trace(n);
    if (!request.empty()) written.client_request_id = request;
    written.experiment_id = "1";
    written.request_time_ms = kTime + n;
    written.state = "OK";
    written.tags = {{"tag", tag}};
    return mlflow::encode(written);
  }
  // As the far side has it.
  static FarPage far(const std::vector<std::uint8_t>& numbers, std::string next = {}) {
    FarPage page;
    for (const auto n : numbers) page.traces.push_back(info(n));
    page.next_page = std::move(next);
    return page;
  }
  void start(std::uint8_t n) { write(RecordKind::trace_info, n, info(n, "here")); }
  void tag(std::uint8_t n, const std::string& value) {
    write(RecordKind::trace_edit, n, mlflow::encode(mlflow::TraceEdit(mlflow::SetTag{"tag", value})));
  }
  SearchPage page(const std::optional<FarPage>& there, const std::string& filter = {},
                  const SearchPosition& from = {}, std::size_t most = 10) {
    auto request = ingest::parse_search_request(fmt::format(
        R"({{"locations":[{{"mlflow_experiment":{{"experiment_id":"1"}}}}],"max_results":{},"filter":"{}"}})",
        most, filter));
    EXPECT_TRUE(request) << request.error().sentence;
    request->from = from;
    auto found = ingest::search_page(api, *request, SearchMatcher(request->filter), there);
    EXPECT_TRUE(found) << found.error().sentence;
    return *std::move(found);
  }
  // NUMBER=TAG of each.
  static std::string told(const SearchPage& page) {
    std::string all;
    for (const auto& found : page.traces)
      all += fmt::format("{}={} ", found.trace.id.bytes.back(), found.trace.info.tags.at("tag"));
    return all;
  }

  FakeSpool spool;
  FakeFarSide reader;
  Api api{spool,
          &reader,
          {.kind = ingest::WorkspaceReader::Kind::databricks,
           .destination = "far",
           .experiment = {},
           .experiment_id = {},
           .tables = {},
           .sql_warehouse_id = {},
           .context = {}}};

 private:
  std::size_t written_ = 0;
};

TEST_F(SearchMergeTest, TellsOfEachTraceOnceTheNewestFirst) {
  start(5);
  start(2);
  EXPECT_EQ(told(page(far({6, 5, 3, 1}))), "6=far 5=here 3=far 2=here 1=far ");
  EXPECT_EQ(told(page(std::nullopt)), "5=here 2=here ");
}

TEST_F(SearchMergeTest, LetsWhatIsNotDeliveredYetWin) {
  tag(3, "edited");
  write(RecordKind::trace_delete, 2, mlflow::encode(mlflow::TraceDelete{}));
  EXPECT_EQ(told(page(far({3, 2, 1}))), "3=edited 1=far ");
  EXPECT_EQ(told(page(far({3, 2, 1}), "tags.tag = 'far'")), "1=far ");
}

TEST_F(SearchMergeTest, KeepsADeliveredTraceUntilTheFarSideShowsIt) {
  start(4);
  reader.delivered.insert(trace(4));
  EXPECT_EQ(told(page(far({5, 1}))), "5=far 4=here 1=far ");
  EXPECT_EQ(told(page(far({5, 4, 1}))), "5=far 4=far 1=far ") << "from then on it has the word";
  EXPECT_EQ(told(page(far({5, 1}))), "5=far 1=far ") << "deleted there, for instance";
  EXPECT_EQ(told(page(std::nullopt)), "4=here ");
}

TEST_F(SearchMergeTest, KeepsATraceThatIsEditedThoughItIsItsOlderRecordThatMatches) {
  write(RecordKind::trace_info, 4, info(4, "here", "r4"));
  reader.delivered.insert(trace(4));
  const std::string filter = "attributes.client_request_id = 'r4'";
  FarPage there;
  there.traces.push_back(info(4, "here", "r4"));
  page(there, filter);
  EXPECT_EQ(told(page(there, filter)), "4=here ") << "told there";
  reader.undelivered_from = spool.end();
  tag(4, "edited");
  EXPECT_EQ(told(page(there, filter)), "4=edited ") << "told here, and once";
  EXPECT_EQ(told(page(FarPage{}, filter)), "4=edited ");
  reader.undelivered_from = spool.end();
  EXPECT_EQ(told(page(FarPage{}, filter)), "4=edited ") << "delivered, not searchable there yet";
  EXPECT_EQ(told(page(there, filter)), "4=here ") << "shown there";
}

TEST_F(SearchMergeTest, GoesThroughBothPageByPage) {
  for (const std::uint8_t n : {9, 8, 4, 2}) start(n);
  const std::map<std::string, FarPage> pages{
      {"", far({10, 7, 6}, "b")}, {"b", far({5, 3}, "c")}, {"c", far({1})}};
  std::string all;
  SearchPosition from;
  for (int i = 0; i < 20; ++i) {
    const auto one = page(from.there_has_more ? pages.at(from.there_page) : FarPage{}, "", from, 2);
    EXPECT_LE(one.traces.size(), 2U);
    all += told(one);
    if (!one.next) break;
    const auto token = ingest::parse_search_position(encode(*one.next));
    ASSERT_TRUE(token);
    EXPECT_EQ(*token, *one.next);
    from = *token;
    start(static_cast<std::uint8_t>(20 + i));  // what comes meanwhile moves nothing
  }
  EXPECT_EQ(all, "10=far 9=here 8=here 7=far 6=far 5=far 4=here 3=far 2=here 1=far ");
}

TEST_F(SearchMergeTest, RefusesTokensOfOthers) {
  for (const auto* token : {"x", "31", "323a313a313a313a313a", "eyJvZmZzZXQiOiA1fQ=="})
    EXPECT_FALSE(ingest::parse_search_position(token)) << token;
  EXPECT_TRUE(ingest::parse_search_position(""));
}

class FarSearchTest : public SearchMergeTest {
 protected:
  std::optional<FarPage> ask() {
    const auto request = ingest::parse_search_request(
        R"({"locations":[{"mlflow_experiment":{"experiment_id":"1"}}],"filter":"status = 'OK'"})");
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<std::optional<FarPage>> got;
    ingest::search_far_side(api, *request, "", [&](std::optional<FarPage> answer) {
      const std::lock_guard lock(mutex);
      got = std::move(answer);
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return got.has_value(); }));
    return got.value_or(std::nullopt);
  }
};

TEST_F(FarSearchTest, AsksAWorkspaceAgainUntilItHasSearched) {
  reader.answers = {
      {200, "", R"({"name":"op","done":false})"},
      {200, "", R"({"name":"op","done":true,"response":{"trace_infos":[{},{}],"next_page_token":"t"}})"}};
  const auto answer = ask();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->traces.size(), 2U);
  EXPECT_EQ(answer->next_page, "t");
  EXPECT_EQ(reader.asked, (std::vector<std::string>{"POST /api/4.0/mlflow/traces/search-long-running",
                                                    "GET /api/4.0/mlflow/traces/search/operations/op"}));
}

TEST_F(FarSearchTest, FallsBackWhereThatIsNotServed) {
  reader.answers = {{404, "", R"({"error_code":"ENDPOINT_NOT_FOUND","message":""})"},
                    {200, "", R"({"traces":[{}]})"}};
  const auto answer = ask();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->traces.size(), 1U);
  EXPECT_EQ(reader.asked.back(), "POST /api/3.0/mlflow/traces/search");
}

TEST_F(FarSearchTest, IsNoAnswerWhereOneCannotBeRead) {
  reader.answers = {{200, "", "<html>"}};
  EXPECT_FALSE(ask());
  reader.answers = {{503, "", ""}};
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask()) << "none at all";
}

}  // namespace
}  // namespace spanferry::test
