// What a check found, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "model/finding.hpp"

namespace spanferry::daemon {

Grade worst(const std::vector<Finding>& findings);

// GRADE SUBJECT TEXT in columns, what to do below; then a line with the result.
std::string findings_text(const std::vector<Finding>& findings);
// {"result": "ok|warn|fail", "findings": [{"grade", "subject", "text", "next"}]}
std::string findings_json(const std::vector<Finding>& findings);

}  // namespace spanferry::daemon
