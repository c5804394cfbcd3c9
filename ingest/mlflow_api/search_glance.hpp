// Which traces a search has to look at: told from what the spool keeps of each record, so that most of them
// are passed over unread.
#pragma once

#include <string>

#include "ingest/mlflow_api/search_filter.hpp"
#include "model/mlflow_context.hpp"
#include "spool/spool.hpp"

namespace spanferry::ingest {

class SearchGlance {
 public:
  // `defaults` fill tags that no record has.
  SearchGlance(const SearchFilter& filter, const mlflow::Defaults& defaults);

  // False: if the trace matches, another of its records says yes.
  [[nodiscard]] bool may_match(const spool::TraceGlance& glance) const;

 private:
  [[nodiscard]] bool fits(const spool::TraceGlance& glance) const;

  const SearchFilter& filter_;
  std::string text_;  // some record of a trace that matches holds it; empty: nothing is known of that kind
  bool any_case_ = false;
};

}  // namespace spanferry::ingest
