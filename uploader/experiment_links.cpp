#include "uploader/experiment_links.hpp"

#include <charconv>

#include <fmt/format.h>

namespace spanferry::uploader {
namespace {

constexpr std::string_view kWithoutLink = "none";

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

Experiment ExperimentLinks::with_history(const std::string& key, Experiment experiment) {
  const std::string name = "link/" + key;
  const auto known = spool_.load(name);
  const bool was_known = known && *known;
  experiment.linked_since = 0;
  if (experiment.unity_catalog_table.empty()) {
    if (!was_known || **known != kWithoutLink) spool_.put(name, std::string(kWithoutLink));
  } else if (was_known && **known == kWithoutLink) {
    experiment.linked_since = spool_.end();
    spool_.put(name, std::to_string(experiment.linked_since));
  } else if (was_known) {
    const std::string& text = **known;
    std::from_chars(text.data(), text.data() + text.size(), experiment.linked_since);
  }
  return experiment;
}

std::string encode(const Experiment& experiment) {
  return fmt::format("{}\n{}\n{}", experiment.id, experiment.unity_catalog_table,
                     experiment.unity_catalog_path);
}

Experiment decode_experiment(std::string_view text) {
  Experiment experiment;
  experiment.id = take_line(text);
  experiment.unity_catalog_table = take_line(text);
  experiment.unity_catalog_path = take_line(text);
  return experiment;
}

}  // namespace spanferry::uploader
