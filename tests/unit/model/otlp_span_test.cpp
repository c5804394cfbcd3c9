#include "model/otlp_span.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "tests/unit/model/otlp_builder.hpp"

namespace spanferry {
namespace {

using namespace testing;

Message number(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return Message().fixed64(otlp::any_value::kDouble, bits);
}

std::string json_of(const Message& value) { return to_json(AnyValue{value.wire}); }

TEST(OtlpSpan, IsDecodedFieldByField) {
  const auto event = Message()
                         .fixed64(otlp::event::kTime, 1500)
                         .bytes(otlp::event::kName, "exception")
                         .message(otlp::event::kAttributes, attribute("exception.type", text("E")));
  const auto link =
      Message().bytes(otlp::link::kTraceId, trace_number(9)).bytes(otlp::link::kSpanId, "link span");
  const auto status = Message().bytes(otlp::status::kMessage, "broken").varint(otlp::status::kCode, 2);
  const auto wire = span()
                        .bytes(otlp::span::kParentSpanId, "parentid")
                        .bytes(otlp::span::kTraceState, "a=b")
                        .varint(otlp::span::kKind, 3)
                        .message(otlp::span::kAttributes, attribute("k", text("v")))
                        .message(otlp::span::kEvents, event)
                        .message(otlp::span::kLinks, link)
                        .message(otlp::span::kStatus, status)
                        .fixed32(otlp::span::kFlags, 0x301);
  const std::string body = request_of({wire});
  const auto decoded = decode_traces_request(body);
  ASSERT_TRUE(decoded) << decoded.error().sentence;
  ASSERT_EQ(decoded->spans.size(), 1U);
  const Span& out = decoded->spans[0];
  EXPECT_EQ(out.trace_id.raw(), kTrace);
  EXPECT_EQ(out.span_id.raw(), kSpan);
  ASSERT_TRUE(out.parent_id);
  EXPECT_EQ(out.parent_id->raw(), "parentid");
  EXPECT_TRUE(out.parent_is_remote);
  EXPECT_EQ(out.name, "chat");
  EXPECT_EQ(out.kind, 3);
  EXPECT_EQ(out.start_ns, 1000U);
  EXPECT_EQ(out.end_ns, 2000U);
  EXPECT_EQ(out.status, StatusCode::error);
  EXPECT_EQ(out.status_message, "broken");
  EXPECT_EQ(out.trace_state, "a=b");
  EXPECT_EQ(out.scope_name, "test scope");
  ASSERT_NE(find(out.attributes, "k"), nullptr);
  EXPECT_EQ(find(out.attributes, "k")->value.string(), "v");
  EXPECT_EQ(find(out.attributes, "absent"), nullptr);
  ASSERT_EQ(out.events.size(), 1U);
  EXPECT_EQ(out.events[0].name, "exception");
  EXPECT_EQ(out.events[0].time_ns, 1500U);
  EXPECT_EQ(out.events[0].attributes.at(0).key, "exception.type");
  ASSERT_EQ(out.links.size(), 1U);
  EXPECT_EQ(out.links[0].trace_id, TraceId::from_raw(trace_number(9)));
  EXPECT_FALSE(out.links[0].span_id) << "nine bytes are no span id";
  EXPECT_EQ(decoded->resources.at(out.resource).attributes.at(0).value.string(), "svc");
}

TEST(OtlpSpan, IsARootWithoutAParentIdOrWithZeroes) {
  const std::string body =
      request_of({span(), span().bytes(otlp::span::kParentSpanId, std::string(8, '\0'))});
  const auto decoded = decode_traces_request(body);
  ASSERT_TRUE(decoded);
  for (const Span& one : decoded->spans) EXPECT_FALSE(one.parent_id);
}

TEST(OtlpSpan, OfOneTraceIsPickedOutOfMany) {
  const std::string body = request({resource_spans("a", {span(trace_number(1)), span(trace_number(2))}),
                                    resource_spans("b", {span(trace_number(2))})});
  const auto wanted = *TraceId::from_raw(trace_number(2));
  const auto decoded = decode_traces_request(body, &wanted);
  ASSERT_TRUE(decoded);
  ASSERT_EQ(decoded->spans.size(), 2U);
  EXPECT_EQ(decoded->resources.at(decoded->spans[0].resource).attributes.at(0).value.string(), "a");
  EXPECT_EQ(decoded->resources.at(decoded->spans[1].resource).attributes.at(0).value.string(), "b");
}

TEST(OtlpSpan, GetsItsScopeAlsoWhenThatFollowsOnTheWire) {
  const auto scopes = Message()
                          .message(otlp::scope_spans::kSpans, span())
                          .message(otlp::scope_spans::kScope, Message().bytes(otlp::scope::kName, "late"));
  const std::string body = request({Message().message(otlp::resource_spans::kScopeSpans, scopes)});
  const auto decoded = decode_traces_request(body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->spans.at(0).scope_name, "late");
}

TEST(OtlpSpan, IsAnErrorWhenTheBytesAreNone) {
  const auto decoded = decode_traces_request("\x0a\xff\x01");
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind, ErrorKind::invalid_input);
}

TEST(AnyValue, BecomesJson) {
  EXPECT_EQ(json_of(text("a \"quoted\"\n")), R"("a \"quoted\"\n")");
  EXPECT_EQ(json_of(integer(-5)), "-5");
  EXPECT_EQ(json_of(integer(std::numeric_limits<std::int64_t>::min())), "-9223372036854775808");
  EXPECT_EQ(json_of(Message().varint(otlp::any_value::kBool, 1)), "true");
  EXPECT_EQ(json_of(number(0.1)), "0.1");
  EXPECT_EQ(json_of(number(1)), "1.0");
  EXPECT_EQ(json_of(number(std::nan(""))), "\"NaN\"");
  EXPECT_EQ(json_of(number(HUGE_VAL)), "\"Infinity\"");
  EXPECT_EQ(json_of(number(-HUGE_VAL)), "\"-Infinity\"");
  EXPECT_EQ(json_of(Message().bytes(otlp::any_value::kBytes, std::string("\0\xff", 2))), "\"AP8=\"");
  EXPECT_EQ(json_of(Message()), "null");
  EXPECT_EQ(json_of(array({text("a"), Message(), array({})})), R"(["a",null,[]])");
  EXPECT_EQ(json_of(object({attribute("x", integer(1)), attribute("y", object({}))})), R"({"x":1,"y":{}})");
}

TEST(AnyValue, IsNothingWhenMalformed) {
  EXPECT_TRUE(std::holds_alternative<std::monostate>(AnyValue{"\x0a\x7f"}.decode()));
  EXPECT_FALSE(AnyValue{"\x0a\x7f"}.string());
  EXPECT_TRUE(elements({"\xff"}).empty());
  EXPECT_TRUE(entries({"\xff"}).empty());
}

}  // namespace
}  // namespace spanferry
