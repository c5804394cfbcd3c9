#include "daemon/show_findings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/json_writer.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {

Grade worst(const std::vector<Finding>& findings) {
  Grade worst = Grade::ok;
  for (const auto& finding : findings) worst = std::max(worst, finding.grade);
  return worst;
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::size_t width = 0;
  for (const auto& finding : findings) width = std::max(width, finding.subject.size());
  std::string out;
  for (const auto& finding : findings) {
    // A far side wrote some of it.
    out += fmt::format("{:<4}  {:<{}}  {}\n", name(finding.grade), finding.subject, width,
                       printable(finding.text));
    if (!finding.next.empty()) out += fmt::format("{:{}}  → {}\n", "", width + 6, printable(finding.next));
  }
  const auto count = [&](Grade grade) { return std::ranges::count(findings, grade, &Finding::grade); };
  return out + fmt::format("{}: {} failed, {} to look at\n", name(worst(findings)), count(Grade::fail),
                           count(Grade::warn));
}

std::string findings_json(const std::vector<Finding>& findings) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("result", name(worst(findings))).key("findings").begin_array();
  for (const auto& finding : findings)
    json.begin_object()
        .field("grade", name(finding.grade))
        .field("subject", finding.subject)
        .field("text", printable(finding.text))
        .field("next", finding.next)
        .end_object();
  json.end_array().end_object();
  return out;
}

}  // namespace spanferry::daemon
