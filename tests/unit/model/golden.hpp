// Recorded traffic and computed expectations, kept in tests/golden.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace spanferry::testing {

// The bytes of tests/golden/NAME, wherever in the tree the test is started.
inline std::string golden(const std::string& name) {
  for (auto at = std::filesystem::current_path();; at = at.parent_path()) {
    if (std::ifstream file(at / "tests/golden" / name, std::ios::binary); file) {
      std::ostringstream bytes;
      bytes << file.rdbuf();
      return bytes.str();
    }
    if (at == at.root_path())
      throw std::runtime_error("no tests/golden/" + name + " above the working directory");
  }
}

}  // namespace spanferry::testing
