// Which endpoint answers a path.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ingest/handler.hpp"

namespace spanferry::ingest {

class EndpointTable {
 public:
  explicit EndpointTable(std::vector<Endpoint> endpoints) : endpoints_(std::move(endpoints)) {}

  struct Match {
    const Endpoint* endpoint = nullptr;  // null: none for that method
    bool path_is_known = false;
    Audience audience = Audience::loopback;  // of the path, whatever the method; loopback when it is unknown
    std::string allow;                       // the methods this path has, when none is for that one
  };
  // `path` with percent-encoding undone. An exact path goes before a prefix, a longer prefix before a
  // shorter.
  [[nodiscard]] Match find(std::string_view method, std::string_view path) const;

 private:
  std::vector<Endpoint> endpoints_;
};

// Undoes %XX; what is not two hex digits stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace spanferry::ingest
