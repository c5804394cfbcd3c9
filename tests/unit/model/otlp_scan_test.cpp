#include "model/otlp_scan.hpp"

#include <random>

#include <gmock/gmock.h>

#include "model/otlp_span.hpp"
#include "tests/unit/model/otlp_builder.hpp"

namespace spanferry {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OtlpScan, LeavesASoundRequestAlone) {
  const std::string body = request({resource_spans("a", {span(), span(kTrace, "12345678")}),
                                    resource_spans("b", {span(trace_number(7))})});
  const auto scan = scan_traces_request(body);
  ASSERT_TRUE(scan) << scan.error().sentence;
  EXPECT_EQ(scan->spans, 3U);
  EXPECT_EQ(scan->refused_spans, 0U);
  EXPECT_FALSE(scan->repaired);
  EXPECT_EQ(scan->rewritten, nullptr);
  ASSERT_EQ(scan->groups.size(), 2U);
  EXPECT_EQ(std::string(scan->groups[0].field) + std::string(scan->groups[1].field), body);
  EXPECT_EQ(resource_string_attribute(scan->groups[0].resource, "service.name"), "a");
  EXPECT_EQ(resource_string_attribute(scan->groups[1].resource, "service.name"), "b");
  EXPECT_EQ(scan->groups[0].spans, 2U);
  EXPECT_THAT(scan->groups[1].traces, ElementsAre(*TraceId::from_raw(trace_number(7))));
  EXPECT_THAT(scan->traces, ElementsAre(*TraceId::from_raw(kTrace), *TraceId::from_raw(trace_number(7))));
}

TEST(OtlpScan, TakesTheEmptyRequest) {
  const auto scan = scan_traces_request("");
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->spans, 0U);
  EXPECT_TRUE(scan->groups.empty());
}

TEST(OtlpScan, ListsEachTraceOnceInOrderHoweverManyThereAre) {
  Message scope;
  std::vector<TraceId> expected;
  for (std::uint32_t round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < 100; ++i) {
      scope.message(otlp::scope_spans::kSpans, span(trace_number(i)));
      if (round == 0) expected.push_back(*TraceId::from_raw(trace_number(i)));
    }
  }
  const std::string body = request({Message().message(otlp::resource_spans::kScopeSpans, scope)});
  const auto scan = scan_traces_request(body);
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->spans, 200U);
  EXPECT_EQ(scan->traces, expected);
  EXPECT_EQ(scan->groups[0].traces, expected);
}

TEST(OtlpScan, RefusesSpansWithWrongIdsAndKeepsTheirNeighbours) {
  const std::string body = request_of({span(), span("short"), span(std::string(16, '\0')), span(kTrace + "x"),
                                       span(""), span(kTrace, "seven77"), span(kTrace, std::string(8, '\0')),
                                       span(kTrace, ""), span(trace_number(2))});
  const auto scan = scan_traces_request(body);
  ASSERT_TRUE(scan) << scan.error().sentence;
  EXPECT_EQ(scan->spans, 2U);
  EXPECT_EQ(scan->refused_spans, 7U);
  EXPECT_EQ(scan->refused_reason, "span 1 refused: its trace id has 5 bytes, not 16");
  EXPECT_FALSE(scan->repaired);
  ASSERT_NE(scan->rewritten, nullptr);
  EXPECT_EQ(*scan->rewritten, request_of({span(), span(trace_number(2))}));
}

TEST(OtlpScan, LeavesOutWhatHeldRefusedSpansAlone) {
  const auto sound = resource_spans("kept", {span()});
  const auto scan = scan_traces_request(request({resource_spans("gone", {span("short")}), sound}));
  ASSERT_TRUE(scan);
  ASSERT_NE(scan->rewritten, nullptr);
  EXPECT_EQ(*scan->rewritten, request({sound}));
  const auto nothing = scan_traces_request(request_of({span("short")}));
  ASSERT_TRUE(nothing);
  EXPECT_EQ(*nothing->rewritten, "");
}

// The one span of a request after its scan.
Span only_span(const Scan& scan) {
  EXPECT_NE(scan.rewritten, nullptr);
  const auto decoded = decode_traces_request(*scan.rewritten);
  EXPECT_TRUE(decoded);
  EXPECT_EQ(decoded->spans.size(), 1U);
  return decoded->spans.at(0);
}

TEST(OtlpScan, ClampsTimesOutOfRangeAndMarksTheSpan) {
  struct Case {
    std::uint64_t start, end, expected_start, expected_end;
  };
  const std::uint64_t max = 0x7fffffffffffffff;
  for (const Case& c : {Case{10, 0, 10, 10}, Case{10, 9, 10, 10}, Case{10, max + 1, 10, max},
                        Case{~0ULL, ~0ULL, max, max}, Case{max + 5, 7, max, max}}) {
    const auto wire = Message()
                          .bytes(otlp::span::kTraceId, kTrace)
                          .bytes(otlp::span::kSpanId, kSpan)
                          .fixed64(otlp::span::kStart, c.start)
                          .fixed64(otlp::span::kEnd, c.end);
    const auto scan = scan_traces_request(request_of({wire}));
    ASSERT_TRUE(scan);
    EXPECT_TRUE(scan->repaired);
    const Span out = only_span(*scan);
    EXPECT_EQ(out.start_ns, c.expected_start);
    EXPECT_EQ(out.end_ns, c.expected_end);
    const Attribute* mark = find(out.attributes, "spanferry.repaired");
    ASSERT_NE(mark, nullptr);
    EXPECT_EQ(to_json(mark->value), "true");
  }
}

TEST(OtlpScan, MarksASpanOnceHoweverOftenItIsRepaired) {
  const auto marked =
      span(kTrace, kSpan, kInvalidUtf8)
          .message(otlp::span::kAttributes, attribute("spanferry.repaired", text("by another")))
          .message(otlp::span::kAttributes, attribute("k", text("v")));
  const auto scan = scan_traces_request(request_of({marked}));
  ASSERT_TRUE(scan);
  const Span out = only_span(*scan);
  ASSERT_EQ(out.attributes.size(), 2U);
  EXPECT_EQ(out.attributes[0].key, "k");
  EXPECT_EQ(to_json(out.attributes[1].value), "true");
}

TEST(OtlpScan, ClampsTheTimesOfEvents) {
  const auto event = Message().fixed64(otlp::event::kTime, ~0ULL).bytes(otlp::event::kName, "late");
  const auto scan = scan_traces_request(request_of({span().message(otlp::span::kEvents, event)}));
  ASSERT_TRUE(scan);
  EXPECT_EQ(only_span(*scan).events.at(0).time_ns, 0x7fffffffffffffffULL);
}

TEST(OtlpScan, TakesASpanWithoutTimes) {
  const auto wire = Message().bytes(otlp::span::kTraceId, kTrace).bytes(otlp::span::kSpanId, kSpan);
  const auto scan = scan_traces_request(request_of({wire}));
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->rewritten, nullptr);
}

TEST(OtlpScan, RemovesParentIdsThatAreNone) {
  for (const std::string& parent : {std::string(8, '\0'), std::string("short"), std::string(16, 'x')}) {
    const auto scan = scan_traces_request(request_of({span().bytes(otlp::span::kParentSpanId, parent)}));
    ASSERT_TRUE(scan);
    EXPECT_TRUE(scan->repaired);
    EXPECT_FALSE(only_span(*scan).parent_id);
  }
  const auto sound = scan_traces_request(request_of({span().bytes(otlp::span::kParentSpanId, "12345678")}));
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->rewritten, nullptr);
}

TEST(OtlpScan, RemovesLinksWithIdsOfWrongLengthOnly) {
  const auto good = Message().bytes(otlp::link::kTraceId, kTrace).bytes(otlp::link::kSpanId, kSpan);
  const auto bad = Message().bytes(otlp::link::kTraceId, "short").bytes(otlp::link::kSpanId, kSpan);
  const auto scan = scan_traces_request(
      request_of({span().message(otlp::span::kLinks, bad).message(otlp::span::kLinks, good)}));
  ASSERT_TRUE(scan);
  const Span out = only_span(*scan);
  ASSERT_EQ(out.links.size(), 1U);
  EXPECT_EQ(out.links[0].span_id, SpanId::from_raw(kSpan));
}

TEST(OtlpScan, KeepsFieldsItDoesNotKnow) {
  const auto wire = span(kTrace, kSpan, kInvalidUtf8).bytes(500, "\xff raw").varint(501, 77);
  const auto scan = scan_traces_request(request_of({wire}));
  ASSERT_TRUE(scan);
  ASSERT_NE(scan->rewritten, nullptr);
  const std::string kept = Message().bytes(500, "\xff raw").varint(501, 77).wire;
  EXPECT_THAT(*scan->rewritten, HasSubstr(kept));
}

// A request whose every string is `text`.
std::string all_strings(const std::string& text_value) {
  const auto nested =
      object({attribute(text_value, array({text(text_value), object({attribute("k", text(text_value))})}))});
  const auto everywhere = attribute(text_value, nested);
  const auto event = Message()
                         .fixed64(otlp::event::kTime, 1)
                         .bytes(otlp::event::kName, text_value)
                         .message(otlp::event::kAttributes, everywhere);
  const auto link = Message()
                        .bytes(otlp::link::kTraceId, kTrace)
                        .bytes(otlp::link::kSpanId, kSpan)
                        .bytes(otlp::link::kTraceState, text_value)
                        .message(otlp::link::kAttributes, everywhere);
  const auto one = span(kTrace, kSpan, text_value)
                       .bytes(otlp::span::kTraceState, text_value)
                       .message(otlp::span::kAttributes, everywhere)
                       .message(otlp::span::kEvents, event)
                       .message(otlp::span::kLinks, link)
                       .message(otlp::span::kStatus, Message().bytes(otlp::status::kMessage, text_value));
  const auto scope = Message()
                         .bytes(otlp::scope::kName, text_value)
                         .bytes(otlp::scope::kVersion, text_value)
                         .message(otlp::scope::kAttributes, everywhere);
  const auto scopes = Message()
                          .message(otlp::scope_spans::kScope, scope)
                          .message(otlp::scope_spans::kSpans, one)
                          .bytes(otlp::scope_spans::kSchemaUrl, text_value);
  const auto entity = Message()
                          .bytes(otlp::entity_ref::kSchemaUrl, text_value)
                          .bytes(otlp::entity_ref::kType, text_value)
                          .bytes(otlp::entity_ref::kIdKeys, text_value);
  const auto resource_message =
      Message().message(otlp::resource::kAttributes, everywhere).message(otlp::resource::kEntityRefs, entity);
  return request({Message()
                      .message(otlp::resource_spans::kResource, resource_message)
                      .message(otlp::resource_spans::kScopeSpans, scopes)
                      .bytes(otlp::resource_spans::kSchemaUrl, text_value)});
}

TEST(OtlpScan, RepairsInvalidUtf8InEveryString) {
  ASSERT_EQ(scan_traces_request(all_strings("valid"))->rewritten, nullptr);
  const auto scan = scan_traces_request(all_strings(kInvalidUtf8));
  ASSERT_TRUE(scan) << scan.error().sentence;
  EXPECT_TRUE(scan->repaired);
  ASSERT_NE(scan->rewritten, nullptr);
  EXPECT_EQ(scan->rewritten->find('\xff'), std::string::npos);
  // The same as if all had been sound, but for the times (written last) and the mark.
  std::string unmarked = filter_traces_request(*scan->rewritten, [](auto&, auto&) { return true; });
  const auto expected_source = all_strings(kRepairedUtf8);
  const auto expected = decode_traces_request(expected_source);
  const auto got = decode_traces_request(unmarked);
  ASSERT_TRUE(expected && got);
  EXPECT_EQ(got->spans[0].name, expected->spans[0].name);
  EXPECT_EQ(got->spans[0].trace_state, expected->spans[0].trace_state);
  EXPECT_EQ(got->spans[0].scope_name, expected->spans[0].scope_name);
  EXPECT_EQ(got->spans[0].status_message, expected->spans[0].status_message);
  EXPECT_EQ(to_json(got->spans[0].attributes[0].value), to_json(expected->spans[0].attributes[0].value));
  EXPECT_EQ(got->spans[0].attributes.size(), 2U);
}

TEST(OtlpScan, FindsInvalidUtf8InEachStringAlone) {
  const std::string sound = all_strings("@@@@");
  int places = 0;
  for (std::size_t at = sound.find("@@@@"); at != std::string::npos; at = sound.find("@@@@", at + 1)) {
    std::string body = sound;
    body[at + 2] = '\xff';
    const auto scan = scan_traces_request(body);
    ASSERT_TRUE(scan);
    EXPECT_TRUE(scan->repaired) << "string at " << at;
    EXPECT_NE(scan->rewritten, nullptr);
    ++places;
  }
  EXPECT_EQ(places, 32);
}

std::string nested(int depth) {
  Message value = text("deep");
  for (int i = 1; i < depth; ++i) value = array({value});
  return request_of({span().message(otlp::span::kAttributes, attribute("k", value))});
}

TEST(OtlpScan, RefusesValuesNestedTooDeep) {
  EXPECT_TRUE(scan_traces_request(nested(kMaxNestingDepth)));
  const auto scan = scan_traces_request(nested(kMaxNestingDepth + 1));
  ASSERT_FALSE(scan);
  EXPECT_EQ(scan.error().kind, ErrorKind::invalid_input);
  EXPECT_THAT(scan.error().sentence, HasSubstr("nested deeper than 100"));
  EXPECT_FALSE(scan_traces_request(nested(10'000)));
}

TEST(OtlpScan, RefusesKnownFieldsOfTheWrongType) {
  const auto scan = scan_traces_request(request_of({span().varint(otlp::span::kName, 1)}));
  ASSERT_FALSE(scan);
  EXPECT_EQ(scan.error().kind, ErrorKind::invalid_input);
  EXPECT_THAT(scan.error().sentence, HasSubstr("field 5 of Span"));
}

TEST(OtlpScan, RefusesTagsAndLengthsBeyondThirtyTwoBits) {
  const std::string sound = request_of({span()});
  ASSERT_TRUE(scan_traces_request(sound));
  // Cut to 32 bits, both are the field that stands in the sound request.
  const auto length = sound[1];
  const std::string long_tag = std::string("\x8a\x80\x80\x80\x10") + sound.substr(1);
  const std::string long_length =
      std::string("\x0a") + static_cast<char>(length | '\x80') + "\x80\x80\x80\x10" + sound.substr(2);
  for (const auto& body : {long_tag, long_length}) {
    const auto scan = scan_traces_request(body);
    ASSERT_FALSE(scan);
    EXPECT_THAT(scan.error().sentence, HasSubstr("more than 32 bits"));
  }
}

TEST(OtlpScan, TakesTheStatusCodeOfOldSdks) {
  const auto status = Message().varint(1, 2).varint(otlp::status::kCode, 2);
  EXPECT_TRUE(scan_traces_request(request_of({span().message(otlp::span::kStatus, status)})));
}

TEST(OtlpScan, SurvivesEveryCutAndRandomDamage) {
  const std::string body = all_strings("some text");
  for (std::size_t n = 0; n < body.size(); ++n) {
    const std::string cut(body, 0, n);
    if (n == 0) continue;
    EXPECT_FALSE(scan_traces_request(cut)) << "cut at " << n;
  }
  std::mt19937 random(20261124);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = body;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const auto scan = scan_traces_request(damaged);
    if (!scan) {
      ASSERT_EQ(scan.error().kind, ErrorKind::invalid_input) << scan.error().sentence;
      continue;
    }
    if (!scan->rewritten) continue;
    const auto again = scan_traces_request(*scan->rewritten);
    ASSERT_TRUE(again);
    ASSERT_EQ(again->rewritten, nullptr);
    ASSERT_EQ(again->spans, scan->spans);
  }
}

TEST(OtlpFilter, KeepsTheSpansAskedForAndDropsWhatIsLeftEmpty) {
  const auto first = resource_spans("a", {span(trace_number(1)), span(trace_number(2))});
  const auto second = resource_spans("b", {span(trace_number(3))});
  const std::string body = request({first, second});
  const auto wanted = *TraceId::from_raw(trace_number(2));
  EXPECT_EQ(filter_traces_request(body, [&](const TraceId& id, const SpanId&) { return id == wanted; }),
            request({resource_spans("a", {span(trace_number(2))})}));
  EXPECT_EQ(filter_traces_request(body, [](auto&, auto&) { return true; }), body);
  EXPECT_EQ(filter_traces_request(body, [](auto&, auto&) { return false; }), "");
}

TEST(ResourceAttribute, IsFoundOnlyWhereItIsAString) {
  const std::string wire = Message()
                               .message(otlp::resource::kAttributes, attribute("n", integer(4)))
                               .message(otlp::resource::kAttributes, attribute("s", text("value")))
                               .wire;
  EXPECT_EQ(resource_string_attribute(wire, "s"), "value");
  EXPECT_EQ(resource_string_attribute(wire, "n"), std::nullopt);
  EXPECT_EQ(resource_string_attribute(wire, "absent"), std::nullopt);
  EXPECT_EQ(resource_string_attribute("\xff\xff", "s"), std::nullopt);
}

}  // namespace
}  // namespace spanferry
