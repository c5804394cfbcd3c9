#include "ingest/mlflow_api/assessment_book.hpp"

#include <algorithm>
#include <array>

namespace spanferry::ingest {
namespace {

struct Renamed {
  std::string_view camel, snake;
};
constexpr std::array<Renamed, 6> kMembers{{
    {"assessmentId", "assessment_id"},
    {"assessmentName", "assessment_name"},
    {"traceId", "trace_id"},
    {"spanId", "span_id"},
    {"createTime", "create_time"},
    {"lastUpdateTime", "last_update_time"},
}};
constexpr std::array<Renamed, 2> kSourceMembers{{{"sourceType", "source_type"}, {"sourceId", "source_id"}}};
constexpr std::array<Renamed, 2> kValueMembers{
    {{"serializedValue", "serialized_value"}, {"serializationFormat", "serialization_format"}}};

template <std::size_t N>
JsonObject renamed(const JsonObject& object, const std::array<Renamed, N>& names) {
  JsonObject out;
  for (const auto& [key, value] : object.members()) {
    const auto it = std::ranges::find(names, key, &Renamed::camel);
    out.set(it == names.end() ? std::string_view(key) : it->snake, value);
  }
  return out;
}

template <std::size_t N>
void rename_within(JsonObject& object, std::string_view key, const std::array<Renamed, N>& names) {
  const std::string* json = object.find(key);
  if (json == nullptr) return;
  if (const auto inner = JsonObject::parse(*json, key)) object.set(key, renamed(*inner, names).json());
}

// What an update may change, under the names a mask has for it (FieldMask writes camelCase).
constexpr std::array<Renamed, 5> kChangeable{{
    {"assessmentName", "assessment_name"},
    {"feedback", "feedback"},
    {"expectation", "expectation"},
    {"rationale", "rationale"},
    {"metadata", "metadata"},
}};

bool is_masked(std::string_view mask, const Renamed& member) {
  if (mask.empty()) return true;
  while (!mask.empty()) {
    const auto comma = std::min(mask.find(','), mask.size());
    const auto name = mask.substr(0, comma);
    if (name == member.camel || name == member.snake) return true;
    mask.remove_prefix(std::min(comma + 1, mask.size()));
  }
  return false;
}

}  // namespace

JsonObject in_snake_case(const JsonObject& assessment) {
  JsonObject out = renamed(assessment, kMembers);
  rename_within(out, "source", kSourceMembers);
  rename_within(out, "expectation", kValueMembers);
  return out;
}

JsonObject* AssessmentBook::mine(std::string_view id) {
  const auto it = std::ranges::find_if(all_, [id](const auto& a) { return a.text("assessment_id") == id; });
  return it == all_.end() ? nullptr : &*it;
}

const JsonObject* AssessmentBook::find(std::string_view id) const {
  const auto it = std::ranges::find_if(all_, [id](const auto& a) { return a.text("assessment_id") == id; });
  return it == all_.end() ? nullptr : &*it;
}

void AssessmentBook::put(JsonObject assessment) {
  const auto id = assessment.text("assessment_id");
  if (!id) return;
  if (const auto overridden = assessment.text("overrides"))
    if (JsonObject* old = mine(*overridden)) old->set("valid", "false");
  if (JsonObject* known = mine(*id)) {
    *known = std::move(assessment);
  } else {
    all_.push_back(std::move(assessment));
  }
}

void AssessmentBook::apply(const mlflow::EditAssessment& edit) {
  using Way = mlflow::EditAssessment::Way;
  if (edit.way == Way::remove) return remove(edit.id);
  const auto change = JsonObject::parse(edit.assessment, "the assessment");
  if (!change) return;
  if (edit.way == Way::create) return put(*change);
  if (JsonObject* known = mine(edit.id)) update(*known, *change, edit.update_mask);
}

void AssessmentBook::update(JsonObject& assessment, const JsonObject& change, std::string_view mask) {
  for (const Renamed& member : kChangeable) {
    const std::string* value = change.find(member.snake);
    if (value == nullptr || !is_masked(mask, member)) continue;
    const std::string* have = assessment.find(member.snake);
    if (member.snake != "metadata" || have == nullptr) {
      assessment.set(member.snake, *value);
      continue;
    }
    auto merged = JsonObject::parse(*have, "metadata");
    const auto more = JsonObject::parse(*value, "metadata");
    if (!merged || !more) continue;
    for (const auto& [key, json] : more->members()) merged->set(key, json);
    assessment.set("metadata", merged->json());
  }
  if (const std::string* time = change.find("last_update_time")) assessment.set("last_update_time", *time);
}

void AssessmentBook::remove(std::string_view id) {
  const JsonObject* known = find(id);
  if (known == nullptr) return;
  if (const auto overridden = known->text("overrides"))
    if (JsonObject* old = mine(*overridden)) old->set("valid", "true");
  std::erase_if(all_, [id](const auto& a) { return a.text("assessment_id") == id; });
}

}  // namespace spanferry::ingest
