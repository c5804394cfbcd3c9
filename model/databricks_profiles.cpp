#include "model/databricks_profiles.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "model/lower.hpp"

namespace spanferry {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\f\v";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

class Parser {
 public:
  Result<DatabricksProfiles> parse(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    while (!text.empty()) {
      ++line_;
      const auto end = text.find('\n');
      if (const auto taken = take(text.substr(0, end)); !taken) return std::unexpected(taken.error());
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
    return std::move(profiles_);
  }

 private:
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const {
    return fail(ErrorKind::invalid_input, fmt::format("{}: {}", line_, what));
  }

  Result<> take(std::string_view line) {
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') return {};
    const std::size_t indent = line.find_first_not_of(kWhiteSpace);
    if (value_ != nullptr && indent > indent_) {
      value_->text.append("\n").append(content);
      return {};
    }
    indent_ = indent;
    value_ = nullptr;
    return content.front() == '[' ? take_section(content) : take_value(content);
  }

  Result<> take_section(std::string_view content) {
    const auto end = content.rfind(']');
    if (end == std::string_view::npos || end < 2) return wrong("a profile begins with [NAME]");
    const std::string_view name = content.substr(1, end - 1);
    if (const auto* first = profiles_.find(name))
      return wrong(fmt::format("[{}] stands here again; it is first at line {}", name, first->line));
    profiles_.sections.push_back({std::string(name), line_, {}});
    return {};
  }

  Result<> take_value(std::string_view content) {
    const auto delimiter = content.find_first_of("=:");
    if (delimiter == std::string_view::npos || delimiter == 0)
      return wrong("neither [PROFILE] nor KEY = VALUE");
    if (profiles_.sections.empty()) return wrong("a value before the first [PROFILE]");
    std::string key = lower(trimmed(content.substr(0, delimiter)));
    auto& values = profiles_.sections.back().values;
    const auto [at, is_new] = values.try_emplace(
        std::move(key), DatabricksProfile::Value{std::string(trimmed(content.substr(delimiter + 1))), line_});
    if (!is_new)
      return wrong(fmt::format("`{}` stands here again; it is first at line {}", at->first, at->second.line));
    value_ = &at->second;
    return {};
  }

  DatabricksProfiles profiles_;
  int line_ = 0;
  std::size_t indent_ = 0;                     // of the last key
  DatabricksProfile::Value* value_ = nullptr;  // that deeper lines continue
};

}  // namespace

const DatabricksProfile::Value* DatabricksProfile::find(std::string_view key) const {
  const auto at = values.find(key);
  return at == values.end() || at->second.text.empty() ? nullptr : &at->second;
}

const DatabricksProfile* DatabricksProfiles::find(std::string_view name) const {
  const auto at = std::ranges::find(sections, name, &DatabricksProfile::name);
  return at == sections.end() ? nullptr : &*at;
}

Result<DatabricksProfiles> parse_databricks_profiles(std::string_view text) {
  if (text.size() > kMaxProfilesBytes)
    return fail(ErrorKind::too_large, fmt::format("over the limit of {} bytes", kMaxProfilesBytes));
  return Parser().parse(text);
}

}  // namespace spanferry
