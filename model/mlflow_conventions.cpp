#include "model/mlflow_conventions.hpp"

#include <array>

#include "model/mlflow_conventions_own.hpp"

namespace spanferry::mlflow {
namespace {

using Name = std::string_view;
template <std::size_t N>
using List = std::array<Name, N>;
template <std::size_t N>
using Types = std::array<TypeName, N>;

// OpenInference
constexpr Types<10> kOpenInferenceTypes{{
    {"TOOL", "TOOL"},
    {"CHAIN", "CHAIN"},
    {"LLM", "LLM"},
    {"RETRIEVER", "RETRIEVER"},
    {"EMBEDDING", "EMBEDDING"},
    {"AGENT", "AGENT"},
    {"RERANKER", "RERANKER"},
    {"UNKNOWN", "UNKNOWN"},
    {"GUARDRAIL", "GUARDRAIL"},
    {"EVALUATOR", "EVALUATOR"},
}};
constexpr List<1> kOpenInferenceInputs{"input.value"};
constexpr List<1> kOpenInferenceOutputs{"output.value"};
constexpr List<1> kOpenInferenceInputTokens{"llm.token_count.prompt"};
constexpr List<1> kOpenInferenceOutputTokens{"llm.token_count.completion"};
constexpr List<1> kOpenInferenceTotalTokens{"llm.token_count.total"};
constexpr List<1> kOpenInferenceCacheRead{"llm.token_count.prompt_details.cache_read"};
constexpr List<1> kOpenInferenceCacheCreation{"llm.token_count.prompt_details.cache_write"};
constexpr List<4> kOpenInferenceModels{"llm.response.model_name", "llm.model_name", "llm.request.model_name",
                                       "embedding.model_name"};
constexpr List<1> kOpenInferenceProviders{"llm.provider"};

// OpenTelemetry's GenAI semantic conventions, and what others take from them
constexpr Name kOperation = "gen_ai.operation.name";
constexpr Types<8> kGenAiTypes{{
    {"chat", "CHAT_MODEL"},
    {"create_agent", "AGENT"},
    {"embeddings", "EMBEDDING"},
    {"execute_tool", "TOOL"},
    {"generate_content", "LLM"},
    {"invoke_agent", "AGENT"},
    {"text_completion", "LLM"},
    {"response", "LLM"},
}};
constexpr List<2> kGenAiInputs{"gen_ai.input.messages", "gen_ai.tool.call.arguments"};
constexpr List<2> kGenAiOutputs{"gen_ai.output.messages", "gen_ai.tool.call.result"};
constexpr List<1> kGenAiInputTokens{"gen_ai.usage.input_tokens"};
constexpr List<1> kGenAiOutputTokens{"gen_ai.usage.output_tokens"};
constexpr List<1> kGenAiCacheRead{"gen_ai.usage.cache_read.input_tokens"};
// The second name is that of earlier releases.
constexpr List<2> kGenAiCacheCreation{"gen_ai.usage.cache_write.input_tokens",
                                      "gen_ai.usage.cache_creation.input_tokens"};
constexpr TokenNames kGenAiTokens{
    kGenAiInputTokens, kGenAiOutputTokens, {}, kGenAiCacheRead, kGenAiCacheCreation};
constexpr List<2> kGenAiModels{"gen_ai.response.model", "gen_ai.request.model"};
constexpr List<1> kGenAiProviders{"gen_ai.provider.name"};
constexpr List<1> kGenAiTools{"gen_ai.tool.definitions"};
constexpr List<1> kEarlierProviders{"gen_ai.system"};
constexpr Types<3> kGeminiTypes{{{"llm_call", "LLM"}, {"tool_call", "TOOL"}, {"agent_call", "AGENT"}}};

// Traceloop's OpenLLMetry
constexpr Types<5> kTraceloopTypes{{
    {"workflow", "WORKFLOW"},
    {"task", "TASK"},
    {"agent", "AGENT"},
    {"tool", "TOOL"},
    {"unknown", "UNKNOWN"},
}};
constexpr List<3> kTraceloopInputs{"traceloop.entity.input", "gen_ai.prompt.#.content",
                                   "gen_ai.completion.#.tool_calls.#.arguments"};
constexpr List<2> kTraceloopOutputs{"traceloop.entity.output", "gen_ai.completion.#.content"};
constexpr List<1> kTraceloopInputTokens{"gen_ai.usage.prompt_tokens"};
constexpr List<1> kTraceloopOutputTokens{"gen_ai.usage.completion_tokens"};
constexpr List<1> kTraceloopTotalTokens{"llm.usage.total_tokens"};

// Google's Agent Development Kit
constexpr List<2> kAdkInputs{"gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args"};
constexpr List<2> kAdkOutputs{"gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response"};

// Vercel's AI SDK
constexpr Types<12> kVercelTypes{{
    {"ai.generateText", "LLM"},
    {"ai.generateText.doGenerate", "LLM"},
    {"ai.toolCall", "TOOL"},
    {"ai.streamText", "LLM"},
    {"ai.streamText.doStream", "LLM"},
    {"ai.generateObject", "LLM"},
    {"ai.generateObject.doGenerate", "LLM"},
    {"ai.streamObject", "LLM"},
    {"ai.streamObject.doStream", "LLM"},
    {"ai.embed", "EMBEDDING"},
    {"ai.embed.doEmbed", "EMBEDDING"},
    {"ai.embedMany", "EMBEDDING"},
}};
constexpr List<4> kVercelInputs{"ai.prompt", "ai.toolCall.args", "ai.value", "ai.values"};
constexpr List<5> kVercelOutputs{"ai.response.text", "ai.toolCall.result", "ai.response.object",
                                 "ai.embedding", "ai.embeddings"};

// VoltAgent
constexpr Types<4> kVoltAgentTypes{
    {{"agent", "AGENT"}, {"llm", "LLM"}, {"tool", "TOOL"}, {"memory", "MEMORY"}}};
constexpr List<3> kVoltAgentInputs{"agent.messages", "llm.messages", "input"};
constexpr List<1> kVoltAgentOutputs{"output"};
constexpr List<2> kVoltAgentInputTokens{"usage.prompt_tokens", "llm.usage.prompt_tokens"};
constexpr List<2> kVoltAgentOutputTokens{"usage.completion_tokens", "llm.usage.completion_tokens"};
constexpr List<2> kVoltAgentTotalTokens{"usage.total_tokens", "llm.usage.total_tokens"};

// LiveKit Agents
constexpr List<4> kLiveKitInputs{"lk.user_input", "lk.user_transcript", "lk.chat_ctx", "lk.input_text"};
constexpr List<2> kLiveKitOutputs{"lk.response.text", "lk.response.function_calls"};

// Laminar
constexpr Types<9> kLaminarTypes{{
    {"LLM", "LLM"},
    {"TOOL", "TOOL"},
    {"DEFAULT", "CHAIN"},
    {"PIPELINE", "CHAIN"},
    {"EXECUTOR", "AGENT"},
    {"EVALUATOR", "EVALUATOR"},
    {"HUMAN_EVALUATOR", "EVALUATOR"},
    {"EVALUATION", "EVALUATOR"},
    {"CACHED", "LLM"},
}};
constexpr List<1> kLaminarInputs{"lmnr.span.input"};
constexpr List<1> kLaminarOutputs{"lmnr.span.output"};

// Langfuse
constexpr Types<9> kLangfuseTypes{{
    {"generation", "LLM"},
    {"embedding", "EMBEDDING"},
    {"tool", "TOOL"},
    {"retriever", "RETRIEVER"},
    {"agent", "AGENT"},
    {"chain", "CHAIN"},
    {"evaluator", "EVALUATOR"},
    {"guardrail", "GUARDRAIL"},
    {"span", "UNKNOWN"},
}};
constexpr List<1> kLangfuseInputs{"langfuse.observation.input"};
constexpr List<1> kLangfuseOutputs{"langfuse.observation.output"};

// A coding CLI whose spans are of types claude_code.*
constexpr Types<6> kCliTypes{{
    {"claude_code.interaction", "AGENT"},
    {"claude_code.llm_request", "LLM"},
    {"claude_code.tool", "TOOL"},
    {"interaction", "AGENT"},
    {"llm_request", "LLM"},
    {"tool", "TOOL"},
}};
constexpr List<1> kCliInputTokens{"input_tokens"};
constexpr List<1> kCliOutputTokens{"output_tokens"};
constexpr List<1> kCliCacheRead{"cache_read_tokens"};
constexpr List<1> kCliCacheCreation{"cache_creation_tokens"};

constexpr std::array<Convention, 11> kConventions{{
    {.name = "OpenInference",
     .source = "Arize-ai/openinference, semantic-conventions",
     .type_name = "openinference.span.kind",
     .types = kOpenInferenceTypes,
     .inputs = kOpenInferenceInputs,
     .outputs = kOpenInferenceOutputs,
     .tokens = {kOpenInferenceInputTokens, kOpenInferenceOutputTokens, kOpenInferenceTotalTokens,
                kOpenInferenceCacheRead, kOpenInferenceCacheCreation},
     .models = kOpenInferenceModels,
     .providers = kOpenInferenceProviders},
    {.name = "Gemini CLI",
     .source = "google-gemini/gemini-cli, docs/cli/telemetry.md",
     .type_name = kOperation,
     .types = kGeminiTypes,
     .inputs = kGenAiInputs,
     .outputs = kGenAiOutputs,
     .tokens = kGenAiTokens,
     .models = kGenAiModels,
     .providers = kGenAiProviders,
     .tools = kGenAiTools,
     .message_format = "gemini",
     .uses_format = own::is_gemini_cli,
     .own = {.type = own::gemini_type, .inputs = own::gemini_inputs, .outputs = own::gemini_outputs},
     .notes = "type and messages only where `gen_ai.agent.name` is `gemini-cli`; messages are wrapped as "
              "Gemini's API has them "
              "(`contents`, `candidates`)"},
    {.name = "Coding CLI (claude_code.*)",
     .source = "the monitoring page of its documentation",
     .type_name = "span.type",
     .types = kCliTypes,
     .tokens = {kCliInputTokens, kCliOutputTokens, {}, kCliCacheRead, kCliCacheCreation},
     .own = {.inputs = own::cli_inputs,
             .outputs = own::cli_outputs,
             .has_tokens = own::is_cli_request,
             .input_excludes_cache = true},
     .notes = "tokens of `llm_request` alone, cached ones counted into the input; inputs from `user_prompt`, "
              "`new_context`, `tool_input` or the tool's details; outputs from `response.model_output`, "
              "`new_context` or the event `tool.output`; `<REDACTED>` is nothing"},
    {.name = "GenAI semantic conventions",
     .source = "opentelemetry.io/docs/specs/semconv/gen-ai, 1.37 and later, and earlier names",
     .type_name = kOperation,
     .types = kGenAiTypes,
     .inputs = kGenAiInputs,
     .outputs = kGenAiOutputs,
     .tokens = kGenAiTokens,
     .models = kGenAiModels,
     .providers = kGenAiProviders,
     .tools = kGenAiTools,
     .notes = "messages also from the events `gen_ai.{system,user,assistant}.message` and `gen_ai.choice`"},
    {.name = "Traceloop OpenLLMetry",
     .source = "traceloop/openllmetry, opentelemetry-semantic-conventions-ai",
     .type_name = "traceloop.span.kind",
     .types = kTraceloopTypes,
     .inputs = kTraceloopInputs,
     .outputs = kTraceloopOutputs,
     .tokens = {kTraceloopInputTokens, kTraceloopOutputTokens, kTraceloopTotalTokens, {}, {}},
     .providers = kEarlierProviders},
    {.name = "Google ADK",
     .source = "google/adk-python, telemetry/tracing.py",
     .inputs = kAdkInputs,
     .outputs = kAdkOutputs},
    {.name = "Vercel AI SDK",
     .source = "ai-sdk.dev/docs/ai-sdk-core/telemetry",
     .type_name = "ai.operationId",
     .types = kVercelTypes,
     .inputs = kVercelInputs,
     .outputs = kVercelOutputs,
     .message_format = "vercel_ai",
     .uses_format = own::is_vercel_chat,
     .format_comes_with_inputs = true,
     .own = {.inputs = own::vercel_inputs, .outputs = own::vercel_outputs},
     .notes = "of `ai.generateText.doGenerate` and `ai.streamText.doStream` all of `ai.prompt.*` and "
              "`ai.response.*` together"},
    {.name = "VoltAgent",
     .source = "voltagent.dev, observability",
     .type_name = "span.type",
     .types = kVoltAgentTypes,
     .inputs = kVoltAgentInputs,
     .outputs = kVoltAgentOutputs,
     .tokens = {kVoltAgentInputTokens, kVoltAgentOutputTokens, kVoltAgentTotalTokens, {}, {}},
     .message_format = "voltagent",
     .uses_format = own::is_voltagent,
     .own = {.type = own::voltagent_type},
     .notes = "type also from `entity.type`, where `span.type` gives none"},
    {.name = "LiveKit Agents",
     .source = "docs.livekit.io/agents/observability",
     .type_name = kOperation,
     .types = kGenAiTypes,
     .inputs = kLiveKitInputs,
     .outputs = kLiveKitOutputs,
     .message_format = "livekit",
     .uses_format = own::is_livekit,
     .own = {.type = own::livekit_type},
     .notes = "a span with `gen_ai.request.model` is `LLM`, operations count in any case, else the first "
              "telling `lk.*` attribute decides"},
    {.name = "Laminar",
     .source = "docs.lmnr.ai/tracing/otel",
     .type_name = "lmnr.span.type",
     .types = kLaminarTypes,
     .inputs = kLaminarInputs,
     .outputs = kLaminarOutputs,
     .message_format = "openai",
     .uses_format = own::is_laminar},
    {.name = "Langfuse",
     .source = "langfuse.com/docs, OpenTelemetry attributes",
     .type_name = "langfuse.observation.type",
     .types = kLangfuseTypes,
     .inputs = kLangfuseInputs,
     .outputs = kLangfuseOutputs},
}};

}  // namespace

std::span<const Convention> conventions() { return kConventions; }

}  // namespace spanferry::mlflow
