#include "ingest/mlflow_api/minted.hpp"

#include <fmt/format.h>

#include "ingest/mlflow_api/assessment_book.hpp"
#include "model/hash64.hpp"
#include "model/json_text.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::int64_t kRepeatMs = 10 * 60 * 1000;

// From one hash, two that look unlike it and each other.
std::string id_from(std::uint64_t hash, std::uint64_t more) {
  return fmt::format("a-{:016x}{:016x}", mix64(hash + 0x9e3779b97f4a7c15ULL * (more + 1)),
                     mix64(~hash + 0x9e3779b97f4a7c15ULL * (more + 2)));
}

}  // namespace

std::string minted_assessment_id(const Api& api, const Call& call) {
  const std::uint64_t hash = idempotency_id(call);
  const std::int64_t now = api.now_ms();
  return id_from(hash, static_cast<std::uint64_t>(api.recent.first_seen(hash, now, kRepeatMs)));
}

void mint_assessment_ids(mlflow::WrittenInfo& info) {
  for (std::string& json : info.assessments) {
    auto assessment = JsonObject::parse(json, "the assessment");
    if (!assessment) continue;
    *assessment = in_snake_case(*assessment);
    if (!assessment->text("assessment_id")) {
      Call text;
      const std::string trace = info.trace.hex();
      text.path = trace;
      text.body = json;
      assessment->set_first("assessment_id", quoted_json(id_from(idempotency_id(text), 0)));
    }
    json = assessment->json();
  }
}

}  // namespace spanferry::ingest
