#include "spool/each_summary.hpp"

#include <optional>
#include <unordered_set>

#include "model/utf8.hpp"
#include "spool/limits.hpp"

namespace spanferry::spool {
namespace {

constexpr std::size_t kMostTraces = 200'000;

Result<> each_summary_where(Spool& spool, const std::function<bool(const TraceGlance&)>& may_be,
                            const VisitSummary& visit) {
  std::unordered_set<TraceId> met;
  std::optional<Error> error;
  const auto looked = spool.glance([&](const TraceGlance& glance) {
    if (!may_be(glance) || !met.insert(glance.trace).second) return true;
    const auto summary = spool.summary_of(glance.trace);
    if (!summary) {
      error = summary.error();
      return false;
    }
    return (!*summary || visit(**summary)) && met.size() < kMostTraces;
  });
  if (!looked) return looked;
  if (error) return std::unexpected(*std::move(error));
  return {};
}

}  // namespace

Result<> each_summary(Spool& spool, const VisitSummary& visit) {
  return each_summary_where(spool, [](const TraceGlance&) { return true; }, visit);
}

Result<> each_summary_of_request(Spool& spool, std::string_view client_request_id,
                                 const VisitSummary& visit) {
  const std::string_view sure = utf8_prefix(client_request_id, kSureTextBytes);
  const std::string_view kept = utf8_prefix(client_request_id, kMaxSummaryTextBytes);
  return each_summary_where(
      spool, [sure](const TraceGlance& glance) { return glance.texts.contains(sure); },
      [kept, &visit](const TraceSummary& summary) {
        return utf8_prefix(summary.request_id, kMaxSummaryTextBytes) != kept || visit(summary);
      });
}

}  // namespace spanferry::spool
