// The summaries in the store from the newest on. RocksDB steps backwards at several times what a step
// forwards costs: so they are read forwards in stretches that begin ever earlier, each told from its end.
#pragma once

#include <functional>
#include <string_view>

#include "spool/keys.hpp"
#include "spool/store.hpp"

namespace spanferry::spool {

// False: it has seen enough. The bytes live as long as the call.
using VisitSummaryBytes = std::function<bool(const SeqAndTrace&, std::string_view bytes)>;

// Those of the records in [kept, end), as one moment has them. Copies at most kStretchBytes of them at one
// time. Of a damaged block the summaries from there on in its stretch are left out.
void each_newest_first(Store& store, Seq kept, Seq end, const VisitSummaryBytes& visit);

}  // namespace spanferry::spool
