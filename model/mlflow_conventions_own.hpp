// What the tables of model/mlflow_conventions.hpp cannot say, one function a rule, by convention.
#pragma once

#include "model/mlflow_conventions.hpp"

namespace spanferry::mlflow::own {

// Gemini CLI: GenAI's attributes with operations and messages of its own.
bool is_gemini_cli(const StoredSpan& span);
Found gemini_type(const StoredSpan& span, const Convention& convention);
Found gemini_inputs(const StoredSpan& span, const Convention& convention);
Found gemini_outputs(const StoredSpan& span, const Convention& convention);

// A coding CLI, by its types claude_code.*: what counts depends on the kind of span, and what was not to be
// told is "<REDACTED>".
bool is_cli_request(const StoredSpan& span);
Found cli_inputs(const StoredSpan& span, const Convention& convention);
Found cli_outputs(const StoredSpan& span, const Convention& convention);
Found cli_output_event(const StoredSpan& span);

// Vercel AI SDK: a call of the model has its prompt and answer in pieces.
bool is_vercel_chat(const StoredSpan& span);
Found vercel_inputs(const StoredSpan& span, const Convention& convention);
Found vercel_outputs(const StoredSpan& span, const Convention& convention);

bool is_voltagent(const StoredSpan& span);
Found voltagent_type(const StoredSpan& span, const Convention& convention);

bool is_livekit(const StoredSpan& span);
Found livekit_type(const StoredSpan& span, const Convention& convention);

bool is_laminar(const StoredSpan& span);

}  // namespace spanferry::mlflow::own
