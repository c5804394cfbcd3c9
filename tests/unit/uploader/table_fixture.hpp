// A workspace whose experiments are linked to a Unity Catalog table.
#pragma once

#include <utility>

#include "tests/unit/uploader/trace_fixture.hpp"

namespace spanferry::testing {

inline constexpr const char* kSpans = "POST https://workspace/api/2.0/otel/v1/traces";
inline constexpr const char* kInfo = "/api/4.0/mlflow/traces/main.genai.app/";

struct TableFixture : TraceFixture {
  TableFixture() { experiments.table = "main.genai.app_otel_spans"; }
  [[nodiscard]] std::pair<TraceId, SpanId> row(std::uint32_t trace, std::uint8_t span) const {
    return {trace_of(trace), span_id(span)};
  }
  [[nodiscard]] MemoryCursor& cursor() { return spool.cursor_of("workspace"); }
  // Whatever a trace holds.
  void refuse_all() {
    experiments.impossible = refusal(Action::split, 400);
    experiments.table.clear();
  }
  void accept_all() {
    experiments.impossible.reset();
    experiments.table = "main.genai.app_otel_spans";
  }
  void try_again(std::size_t letter) {
    cursor().take_back(letter);
    track->records_arrived();
    EXPECT_TRUE(run_until([this] { return cursor().parked_parts.empty(); }));
  }
  // Nothing of it to experiment storage.
  [[nodiscard]] std::size_t calls_of_storage() const {
    return workspace.calls_of("/api/3.0/").size() + workspace.calls_of("credentials").size();
  }
};

}  // namespace spanferry::testing
