// Traces and spans as JSON.
#pragma once

#include "model/json_writer.hpp"
#include "model/otlp_span.hpp"
#include "spool/spool.hpp"

namespace spanferry::console {

void write_summary(JsonWriter& json, const spool::TraceSummary& summary);
void write_attributes(JsonWriter& json, const Attributes& attributes);
void write_span(JsonWriter& json, const Span& span, const Resource& resource);

}  // namespace spanferry::console
