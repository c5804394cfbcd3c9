// A machine made of memory: files, one writable directory and a filesystem of a given size.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/load.hpp"

namespace spanferry::config {

struct TestMachine {
  std::map<std::string, std::string> files;
  bool system_directory_writable = true;
  std::optional<std::uint64_t> filesystem_bytes = 100ULL << 30;
  std::map<std::string, std::string> links;
  Environment environment;
  std::vector<Flag> flags;
  std::optional<std::string> file;

  [[nodiscard]] std::expected<Loaded, std::vector<std::string>> load() const {
    return config::load(
        {.file = file,
         .flags = flags,
         .environment = environment,
         .machine = {.is_file = [this](const std::string& path) { return files.contains(path); },
                     .read_file = [this](const std::string& path) -> Result<std::string> {
                       const auto it = files.find(path);
                       if (it == files.end()) return fail(ErrorKind::not_found, path + " cannot be read");
                       return it->second;
                     },
                     .can_keep_files_in =
                         [this](const std::string& path) {
                           return path == "/var/lib/spanferry" && system_directory_writable;
                         },
                     .real_path =
                         [this](const std::string& path) {
                           const auto it = links.find(path);
                           return it == links.end() ? path : it->second;
                         },
                     .filesystem_bytes = [this](const std::string&) { return filesystem_bytes; }}});
  }
};

// What is loaded from this text as the file f.yaml.
inline std::expected<Loaded, std::vector<std::string>> load_text(std::string text) {
  TestMachine machine;
  machine.files["f.yaml"] = std::move(text);
  machine.file = "f.yaml";
  return machine.load();
}

inline std::vector<std::string> problems_of(std::string text) {
  auto loaded = load_text(std::move(text));
  return loaded ? std::vector<std::string>{} : loaded.error();
}

inline const Shown* shown(const Loaded& loaded, std::string_view key) {
  for (const auto& line : loaded.shown)
    if (line.key == key) return &line;
  return nullptr;
}

}  // namespace spanferry::config
