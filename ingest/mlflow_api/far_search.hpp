// One page of a search at the far side: an MLflow server's, or a workspace's, which searches for a while and
// is asked again.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "ingest/mlflow_api/api.hpp"
#include "ingest/mlflow_api/search_request.hpp"

namespace spanferry::ingest {

struct FarPage {
  std::vector<std::string> traces;                                  // TraceInfo objects
  std::string next_page;                                            // its token; empty: the last one
  std::uint64_t asked = std::numeric_limits<std::uint64_t>::max();  // the number of the question (SeenThere)
};

// `done` is called once, with nothing where it did not answer in time, or not as it should. Within 2 s.
void search_far_side(Api& api, const SearchRequest& request, const std::string& page,
                     std::move_only_function<void(std::optional<FarPage>)> done);

}  // namespace spanferry::ingest
