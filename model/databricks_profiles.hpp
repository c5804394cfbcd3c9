// A Databricks configuration file (~/.databrickscfg): profiles as INI sections. Read as Databricks' own SDKs
// read it, which is by Python's configparser without interpolation and without inheritance from DEFAULT.
// No I/O: whoever has the text brings it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace spanferry {

inline constexpr std::size_t kMaxProfilesBytes = 64U << 10;
// The section that is no profile, and its key that names the profile to take when nobody names one.
inline constexpr std::string_view kProfileSettingsSection = "__settings__";
inline constexpr std::string_view kDefaultProfileKey = "default_profile";

struct DatabricksProfile {
  struct Value {
    std::string text;
    int line = 0;  // from 1
  };

  std::string name;
  int line = 0;
  std::map<std::string, Value, std::less<>> values;  // keys in lower case

  // Nothing where it is missing or empty.
  [[nodiscard]] const Value* find(std::string_view key) const;
};

struct DatabricksProfiles {
  std::vector<DatabricksProfile> sections;  // in the order of the file

  [[nodiscard]] const DatabricksProfile* find(std::string_view name) const;
};

// Errors: invalid_input ("LINE: what is wrong", never a value), too_large.
Result<DatabricksProfiles> parse_databricks_profiles(std::string_view text);

}  // namespace spanferry
