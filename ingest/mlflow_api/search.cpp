// Searching for traces. CONTRACT 1.4, 2.2.
#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/far_search.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/search_desk.hpp"
#include "ingest/mlflow_api/search_merge.hpp"

namespace spanferry::ingest {
namespace {

constexpr int kMostEmptyPages = 5;  // of the far side, before a page without a trace is given out

struct Searching {
  Api& api;
  SearchRequest request;
  SearchMatcher matcher;
  Reader reader;
  bool long_running;
  Reply reply;
  bool partial = false;
  int pages = 0;
};
using SearchingPtr = std::shared_ptr<Searching>;

void write_traces(JsonWriter& json, const Searching& searching, const SearchPage& page) {
  if (!page.traces.empty()) {
    json.key(searching.long_running ? "trace_infos" : "traces").begin_array();
    for (const FoundTrace& found : page.traces) {
      if (found.trace.info.location.empty()) {
        write_trace_info(json, found.trace, found.experiment_id, searching.reader);
      } else {
        write_trace_info_v4(json, found.trace, found.trace.info.location);
      }
    }
    json.end_array();
  }
  if (page.next) json.field("next_page_token", encode(*page.next));
}

Response answer_with(const Searching& searching, const SearchPage& page) {
  auto answer = json_answer("");
  JsonWriter json(answer.body);
  json.begin_object();
  if (searching.long_running) json.field("name", "done").field("done", true).key("response").begin_object();
  write_traces(json, searching, page);
  if (searching.long_running) json.end_object();
  json.end_object();
  if (searching.partial) mark_partial(answer);
  return answer;
}

void search(const SearchingPtr& searching);

// On the desk's thread.
void finish(const SearchingPtr& searching, const std::optional<FarPage>& far) {
  auto page = search_page(searching->api, searching->request, searching->matcher, far);
  if (!page) return searching->reply(answer_of(page.error()));
  if (page->traces.empty() && page->next && ++searching->pages < kMostEmptyPages) {
    searching->request.from = *page->next;
    return search(searching);
  }
  searching->reply(answer_with(*searching, *page));
}

void search(const SearchingPtr& searching) {
  const auto& from = searching->request.from;
  if (searching->api.is_local()) return finish(searching, std::nullopt);
  if (!from.there_has_more) return finish(searching, FarPage{});
  if (!searching->api.may_ask()) {
    searching->partial = true;
    return finish(searching, std::nullopt);
  }
  search_far_side(searching->api, searching->request, from.there_page,
                  [searching, asked = searching->api.seen_there.ask()](std::optional<FarPage> far) {
                    if (far) far->asked = asked;
                    searching->api.searches->go_on([searching, far = std::move(far)] {
                      searching->partial = searching->partial || !far;
                      finish(searching, far);
                    });
                  });
}

void begin(Api& api, const Call& call, bool long_running, Reply reply) {
  auto request = parse_search_request(call.body);
  if (!request) return reply(answer_of(request.error()));
  SearchMatcher matcher(request->filter);
  auto searching = std::make_shared<Searching>(api, *std::move(request), std::move(matcher), call.reader,
                                               long_running, std::move(reply));
  if (api.searches->post([searching] { search(searching); })) return;
  searching->reply(answer_of({ErrorKind::unavailable, "too many searches wait; try again"}));
}

}  // namespace

void search_traces(Api& api, const Call& call, Reply reply) { begin(api, call, false, std::move(reply)); }

void search_traces_long_running(Api& api, const Call& call, Reply reply) {
  begin(api, call, true, std::move(reply));
}

}  // namespace spanferry::ingest
