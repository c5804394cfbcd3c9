// What a look into the spool found, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "spool/inspect.hpp"

namespace spanferry::daemon {

std::string inspection_text(const spool::Inspection& inspection);
// {"directory", "first_seq", "last_seq", "records", "spans", "payload_bytes", "disk_bytes", "appended":
// {...},
//  "gaps": [...], "destinations": [{"name", "position", "pending": {"records", "spans"}, "parked": {...},
//  "accepted", OUTCOMES, "dead_letters": {"letters", "spans", "bytes"}}], "quarantine": [...], "set_aside":
//  [...]}
std::string inspection_json(const spool::Inspection& inspection);

// One line a letter: id, status, spans, reason.
std::string dead_letters_text(const std::vector<spool::DeadLetter>& letters);
// {"dead_letters": [...]}, payloads left out.
std::string dead_letters_json(const std::vector<spool::DeadLetter>& letters);
// Everything but the payload's bytes.
std::string dead_letter_text(const spool::DeadLetter& letter);
// With the payload, an OTLP request, as base64.
std::string dead_letter_json(const spool::DeadLetter& letter);

}  // namespace spanferry::daemon
