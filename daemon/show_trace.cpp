#include "daemon/show_trace.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "daemon/json_fields.hpp"
#include "daemon/quantities.hpp"
#include "model/printable.hpp"

namespace spanferry::daemon {
namespace {

constexpr std::size_t kMaxIndent = 40;  // levels; deeper ones stand below one another

struct SpanLine {
  std::string id, parent, name, type, status, message, tokens;
  std::int64_t start_ns = 0;
  double duration_ms = 0;
  std::vector<std::size_t> children;
  bool printed = false;
};

std::int64_t attribute(Json span, std::initializer_list<std::string_view> keys) {
  Json attributes;
  if (span["attributes"].get(attributes) != simdjson::SUCCESS) return 0;
  for (const auto key : keys)
    if (const auto n = integer_of(attributes, key); n != 0) return n;
  return 0;
}

std::string tokens_of(Json span) {
  auto in = attribute(span, {"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"});
  auto out = attribute(span, {"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"});
  // MLflow's own: a text that holds an object.
  Json attributes;
  simdjson::dom::parser parser;
  if (span["attributes"].get(attributes) == simdjson::SUCCESS)
    if (const auto usage = parse_json(parser, text_of(attributes, "mlflow.chat.tokenUsage"));
        usage && in + out == 0) {
      in = integer_of(*usage, "input_tokens");
      out = integer_of(*usage, "output_tokens");
    }
  if (in == 0 && out == 0) return {};
  return fmt::format("{} + {} tokens", in, out);
}

SpanLine line_of(Json span) {
  SpanLine line;
  line.id = text_of(span, "span_id");
  line.parent = text_of(span, "parent_span_id");
  line.name = printable(text_of(span, "name"));
  if (const auto type = text_of(span, "type"); type != "UNKNOWN") line.type = printable(type);
  line.status = text_of(span, "status");
  line.message = printable(text_of(span, "status_message"));
  line.tokens = tokens_of(span);
  line.start_ns = integer_of(span, "start_time_unix_nano");
  line.duration_ms = number_of(span, "duration_ms");
  return line;
}

// Children by start time under their parents; whose parent is not here is a root.
std::vector<std::size_t> link(std::vector<SpanLine>& lines) {
  std::ranges::sort(lines, {}, [](const SpanLine& line) { return std::tie(line.start_ns, line.id); });
  std::map<std::string_view, std::size_t> by_id;
  for (std::size_t i = 0; i < lines.size(); ++i) by_id.emplace(lines[i].id, i);
  std::vector<std::size_t> roots;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto parent = by_id.find(lines[i].parent);
    if (parent == by_id.end() || parent->second == i)
      roots.push_back(i);
    else
      lines[parent->second].children.push_back(i);
  }
  return roots;
}

struct Placed {
  std::size_t line, depth;
};

// Depth first, without recursion: a chain of spans may be as long as a trace.
void place(std::vector<SpanLine>& lines, std::size_t root, std::vector<Placed>& order) {
  std::vector<Placed> stack{{root, 0}};
  while (!stack.empty()) {
    const auto next = stack.back();
    stack.pop_back();
    if (std::exchange(lines[next.line].printed, true)) continue;
    order.push_back(next);
    const auto& children = lines[next.line].children;
    for (auto child = children.rbegin(); child != children.rend(); ++child)
      stack.push_back({*child, next.depth + 1});
  }
}

void print_tree(std::string& out, std::vector<SpanLine>& lines) {
  std::vector<Placed> order;
  for (const auto root : link(lines)) place(lines, root, order);
  // Spans that are each other's ancestors hang from no root.
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (!lines[i].printed) place(lines, i, order);
  const auto indent = [](const Placed& p) { return 2 * (std::min(p.depth, kMaxIndent) + 1); };
  std::size_t name_width = 0, type_width = 0;
  for (const auto& p : order) {
    name_width = std::max(name_width, std::min<std::size_t>(indent(p) + lines[p.line].name.size(), 60));
    type_width = std::max(type_width, lines[p.line].type.size());
  }
  for (const auto& p : order) {
    const auto& line = lines[p.line];
    auto text =
        fmt::format("{:<{}}  {:<{}}  {:>9}  {:<5}  {}", std::string(indent(p), ' ') + line.name, name_width,
                    line.type, type_width, milliseconds_text(line.duration_ms), line.status, line.tokens);
    if (!line.message.empty()) text += (line.tokens.empty() ? "" : "  ") + line.message;
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
}

}  // namespace

Result<std::string> show_trace(std::string_view json) {
  simdjson::dom::parser parser;
  const auto trace = parse_json(parser, json);
  if (!trace) return std::unexpected(trace.error());
  std::vector<SpanLine> lines;
  for (const auto span : list_of(*trace, "spans")) lines.push_back(line_of(span));
  std::string out = fmt::format("trace {}\n", printable(text_of(*trace, "trace_id")));
  if (lines.empty()) {
    Json summary;
    if ((*trace)["summary"].get(summary) == simdjson::SUCCESS)
      out += fmt::format("  {}: {} spans; delivered, and no longer kept here\n",
                         printable(text_of(summary, "name")), integer_of(summary, "spans"));
  } else {
    print_tree(out, lines);
  }
  const auto deliveries = list_of(*trace, "delivery");
  if (deliveries.size() == 0) out += "  kept here: no other destination is configured\n";
  for (const auto delivery : deliveries)
    out += fmt::format("  {} {}\n", flag_of(delivery, "settled") ? "delivered to" : "waiting for",
                       printable(text_of(delivery, "destination")));
  return out;
}

}  // namespace spanferry::daemon
