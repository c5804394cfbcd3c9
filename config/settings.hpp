// Everything an operator has said, checked and with its defaults in place, and where each value came from.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "ingest/settings.hpp"
#include "spool/settings.hpp"
#include "uploader/settings.hpp"

namespace spanferry::config {

enum class LogFormat : std::uint8_t { automatic, text, json };

struct Settings {
  ingest::Settings ingest;
  spool::Settings spool;
  uploader::Settings uploader;
  std::chrono::milliseconds drain_timeout{7000};
  std::string log_level = "info";  // debug | info | warn | error
  LogFormat log_format = LogFormat::automatic;
};

// One line of `spanferry config`.
struct Shown {
  std::string key;     // "spool.max_bytes", "destinations[0].url"
  std::string value;   // as it would stand in the file; secrets masked
  std::string origin;  // "default", "/etc/spanferry/spanferry.yaml:3", "environment NAME", "flag --set"
};

struct Loaded {
  Settings settings;
  std::string file;          // the file that was read; empty: none
  std::vector<Shown> shown;  // every key outside lists, then the lists as they are in force
  std::vector<std::string>
      notices;  // what an operator should know: ignored variables, tokens over plain HTTP
};

}  // namespace spanferry::config
