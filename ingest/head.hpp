// The head of an HTTP request as the doors look at it, whoever parsed it. Views into the parser's memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ingest/router.hpp"

namespace spanferry::ingest {

struct Head {
  std::string_view method;
  std::string_view path;   // as it came, without the query
  std::string_view query;  // after the `?`
  bool is_http_1_0 = false;
  bool keep_alive = true;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool expects_continue = false;

  std::string_view content_type, content_encoding, user_agent;
  std::optional<std::string_view> host;  // of the target where that names one, else of the Host header
  std::string_view authorization, hop;
  std::optional<std::string_view> origin, sec_fetch_site;
  std::string_view sec_fetch_mode, sec_fetch_dest;
  RouteHeaders route;

  // The peer is on this host, and no proxy says that it speaks for somebody else.
  bool peer_is_loopback = false;
  // What makes the request ambiguous, so that a proxy before us could have read it otherwise; empty: nothing.
  std::string_view unsound;
};

// "/v1/traces", also where an exporter set up for Databricks' own endpoint sends.
bool is_traces_path(std::string_view path);

// The media type without its parameters equals `type`, in any case.
bool is_media_type(std::string_view content_type, std::string_view type);

}  // namespace spanferry::ingest
