// What a profile of a Databricks configuration file (~/.databrickscfg) says, put where a destination says
// nothing itself.
#pragma once

#include <string>
#include <string_view>

#include "config/defaults.hpp"
#include "config/raw.hpp"

namespace spanferry::config {

struct WantedProfile {
  std::string name;   // empty: the file's default one, if there is one
  std::string where;  // who wants it, for problems
  // Databricks' tools merge field by field, and take it for a mistake when two kinds of credential meet; a
  // destination of our own file that has a credential takes none from its profile.
  bool merges_credentials = false;
};

// Fills in url, token, client_id and client_secret. Nothing wanted by name and nothing there: nothing is
// done.
void take_profile(RawDestination& destination, const WantedProfile& wanted, const Environment& environment,
                  const Machine& machine, Problems& problems);

// Leaves the one kind of credential that auth_type names: pat or oauth-m2m; others are a problem.
void choose_credential(RawDestination& destination, std::string_view auth_type, std::string_view where,
                       Problems& problems);

// A workspace's address as Databricks' tools take it: with or without https://, with a path or query that
// counts for nothing.
std::string url_of_host(std::string_view host);

}  // namespace spanferry::config
