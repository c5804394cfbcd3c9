// Who may come in: the checks on a request's head that need no body, in the order they are made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "ingest/answer.hpp"
#include "ingest/head.hpp"
#include "ingest/settings.hpp"
#include "ingest/token.hpp"

namespace spanferry::ingest {

// What a path leads to, by who may go there.
enum class Door : std::uint8_t { health, spans, rest };

// Lives on the ingest thread.
class Gate {
 public:
  // `token` is null when no token_file is set.
  Gate(const Settings& settings, std::unique_ptr<TokenFile> token)
      : settings_(settings), token_(std::move(token)) {}

  // The Host and Origin rules, which keep web pages from reaching us through a browser's back door (DNS
  // rebinding, cross-site posts).
  [[nodiscard]] std::optional<Answer> check_site(const Head& head) const;
  // The token, and without one the rule that a peer from elsewhere gets no more than spans and health, known
  // paths or not. Health never asks for a token: a probe has none.
  [[nodiscard]] std::optional<Answer> check_caller(const Head& head, Door door) const;
  // A request that we sent ourselves.
  [[nodiscard]] std::optional<Answer> check_loop(const Head& head) const;

 private:
  [[nodiscard]] bool host_is_ours(std::string_view host) const;

  const Settings& settings_;
  std::unique_ptr<TokenFile> token_;
};

// "Host" without its port and brackets; nothing if it is malformed.
std::optional<std::string_view> host_name(std::string_view host);

}  // namespace spanferry::ingest
