// One page of a search: what is found here laid into what the far side found, each trace once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ingest/mlflow_api/far_search.hpp"
#include "ingest/mlflow_api/search_here.hpp"

namespace spanferry::ingest {

struct SearchPage {
  std::vector<FoundTrace> traces;
  std::optional<SearchPosition> next;  // nothing: that was all
};

// `far` is the far side's page that request.from is about; nothing: it did not answer, and what is here is
// all. Errors: those of the spool.
Result<SearchPage> search_page(Api& api, const SearchRequest& request, const SearchMatcher& matcher,
                               const std::optional<FarPage>& far);

}  // namespace spanferry::ingest
