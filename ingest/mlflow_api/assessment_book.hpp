// The assessments of one trace, as creations, updates and deletions in their order leave them. Source: what
// MLflow's server does (CONTRACT 1.6).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/json_object.hpp"
#include "model/mlflow_write.hpp"

namespace spanferry::ingest {

// An assessment in the names of the wire's snake_case; unknown members stay as they are.
JsonObject in_snake_case(const JsonObject& assessment);

class AssessmentBook {
 public:
  // Of an id that is known already the new one takes the place; an overridden one is no longer valid.
  void put(JsonObject assessment);
  void apply(const mlflow::EditAssessment& edit);
  // Null if there is none of that id.
  [[nodiscard]] const JsonObject* find(std::string_view id) const;
  [[nodiscard]] const std::vector<JsonObject>& all() const { return all_; }  // the oldest first

 private:
  JsonObject* mine(std::string_view id);
  void update(JsonObject& assessment, const JsonObject& change, std::string_view mask);
  void remove(std::string_view id);

  std::vector<JsonObject> all_;
};

}  // namespace spanferry::ingest
