#include "model/otlp_json.hpp"

#include <fstream>
#include <iterator>

#include <gmock/gmock.h>

#include "model/otlp_scan.hpp"
#include "model/otlp_span.hpp"
#include "tests/unit/model/otlp_builder.hpp"

namespace spanferry {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string golden(const std::string& name) {
  std::ifstream file(std::string(SPANFERRY_GOLDEN_DIR) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr std::string_view kIds =
    R"("traceId":"0102030405060708090A0b0c0d0e0f10","spanId":"1112131415161718")";

std::string request_with(std::string_view span_fields) {
  return R"({"resourceSpans":[{"scopeSpans":[{"spans":[{)" + std::string(kIds) + "," +
         std::string(span_fields) + "}]}]}]}";
}

std::string request_with_value(std::string_view any_value) {
  return request_with(R"("attributes":[{"key":"k","value":)" + std::string(any_value) + "}]");
}

// The wire bytes stay alive beside what views into them.
struct Transcoded {
  std::string wire;
  DecodedRequest decoded;
  bool repaired = false;
};

Transcoded transcoded(std::string_view json) {
  Transcoded out;
  auto wire = traces_request_from_json(json, &out.repaired);
  if (!wire) {
    ADD_FAILURE() << wire.error().sentence << "\n" << json;
    return out;
  }
  out.wire = std::move(*wire);
  EXPECT_TRUE(scan_traces_request(out.wire));
  out.decoded = decode_traces_request(out.wire).value();
  return out;
}

std::string value_of(std::string_view any_value) {
  const Transcoded out = transcoded(request_with_value(any_value));
  return out.decoded.spans.empty() ? "" : to_json(out.decoded.spans[0].attributes.at(0).value);
}

std::string error_of(std::string_view json) {
  const auto wire = traces_request_from_json(json, nullptr);
  if (wire) return "no error";
  EXPECT_EQ(wire.error().kind, ErrorKind::invalid_input);
  return wire.error().sentence;
}

TEST(OtlpJson, FollowsTheDensityOfATextWithTheMemoryItWants) {
  const std::string real = golden("otlp_genai.json");
  EXPECT_LT(json_memory_bytes(real), 6 * real.size());
  EXPECT_LT(json_memory_bytes(request_with_value("{\"stringValue\":\"" + std::string(100'000, 'x') + "\"}")),
            330'000U);
  std::string numbers = "[1";
  for (int i = 0; i < 50'000; ++i) numbers += ",1";
  // Two characters: two structural places of 4 bytes, a tape entry of 16.
  EXPECT_GT(json_memory_bytes(numbers), 12 * numbers.size());
  EXPECT_LT(json_memory_bytes(numbers), 18 * numbers.size());
  const std::string spaced = R"({"a": "b", "c": "d"})", close = R"({"a":"b","c":"d"})";
  EXPECT_LT(json_memory_bytes(spaced), json_memory_bytes(close) + 10 * (spaced.size() - close.size()));
  EXPECT_GT(json_memory_bytes("\"\xff" + std::string(1000, 'x') + "\""), 6'000U)
      << "repaired: up to three times";
}

TEST(OtlpJson, BecomesTheBytesAnSdkWrites) {
  bool repaired = true;
  const auto wire = traces_request_from_json(golden("otlp_genai.json"), &repaired);
  ASSERT_TRUE(wire) << wire.error().sentence;
  EXPECT_FALSE(repaired);
  EXPECT_EQ(*wire, golden("otlp_genai.pb"));
  EXPECT_GT(wire->size(), 3000U);
}

TEST(OtlpJson, TakesEveryFieldInBothSpellings) {
  const std::string camel = R"({"resourceSpans":[{"resource":{"attributes":[],"droppedAttributesCount":1,
    "entityRefs":[{"schemaUrl":"u","type":"t","idKeys":["a","b"],"descriptionKeys":["c"]}]},"schemaUrl":"u",
    "scopeSpans":[{"scope":{"name":"n","version":"v","droppedAttributesCount":2},"schemaUrl":"u","spans":[{
    "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","parentSpanId":"2112131415161718",
    "traceState":"a=b","name":"x","kind":3,"startTimeUnixNano":"5","endTimeUnixNano":"6",
    "droppedAttributesCount":3,"droppedEventsCount":4,"droppedLinksCount":5,"flags":769,
    "attributes":[{"key":"k","value":{"stringValue":"s"}},{"key":"b","value":{"boolValue":true}},
      {"key":"i","value":{"intValue":"7"}},{"key":"d","value":{"doubleValue":1.5}},
      {"key":"y","value":{"bytesValue":"AP8="}},{"key":"a","value":{"arrayValue":{"values":[{"intValue":1}]}}},
      {"key":"o","value":{"kvlistValue":{"values":[{"key":"z","value":{"intValue":2}}]}}}],
    "events":[{"timeUnixNano":"7","name":"e","droppedAttributesCount":6}],
    "links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","traceState":"t",
      "droppedAttributesCount":7,"flags":1}],"status":{"message":"m","code":2}}]}]}]})";
  std::string snake;
  for (const char c : camel) {
    // Names alone have capitals after small letters.
    if (c >= 'A' && c <= 'Z' && snake.back() >= 'a' && snake.back() <= 'z')
      (snake += '_') += static_cast<char>(c | 0x20);
    else
      snake += c;
  }
  const Transcoded out = transcoded(camel);
  EXPECT_EQ(out.wire, transcoded(snake).wire);
  const Span& span_out = out.decoded.spans.at(0);
  EXPECT_EQ(span_out.attributes.size(), 7U);
  EXPECT_EQ(to_json(span_out.attributes[4].value), "\"AP8=\"");
  EXPECT_EQ(to_json(span_out.attributes[5].value), "[1]");
  EXPECT_EQ(to_json(span_out.attributes[6].value), R"({"z":2})");
  EXPECT_EQ(span_out.events.at(0).time_ns, 7U);
  EXPECT_TRUE(span_out.parent_is_remote);
  EXPECT_EQ(span_out.links.at(0).span_id, SpanId::from_raw(kSpan));
  EXPECT_EQ(span_out.status, StatusCode::error);
  EXPECT_EQ(span_out.status_message, "m");
}

TEST(OtlpJson, TakesIntegersAsNumberStringOrWholeDecimal) {
  EXPECT_EQ(value_of(R"({"intValue":5})"), "5");
  EXPECT_EQ(value_of(R"({"intValue":"-5"})"), "-5");
  EXPECT_EQ(value_of(R"({"intValue":5.0})"), "5");
  EXPECT_EQ(value_of(R"({"intValue":"5.0"})"), "5");
  EXPECT_EQ(value_of(R"({"intValue":"9223372036854775807"})"), "9223372036854775807");
  EXPECT_EQ(value_of(R"({"intValue":-9223372036854775808})"), "-9223372036854775808");
  for (const auto* bad : {R"("x")", "5.5", R"("")", "true", "[]", "9223372036854775808",
                          R"("9223372036854775808")", "1e300", R"("nan")"}) {
    EXPECT_THAT(
        error_of(request_with_value(std::string(R"({"intValue":)") + bad + "}")),
        HasSubstr("resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value.intValue: must be an integer"))
        << bad;
  }
  const Transcoded times = transcoded(request_with(R"("startTimeUnixNano":1764000000123456789,
    "endTimeUnixNano":"18446744073709551615")"));
  EXPECT_EQ(times.decoded.spans.at(0).start_ns, 1764000000123456789U);
  EXPECT_EQ(times.decoded.spans.at(0).end_ns, 18446744073709551615U);
  EXPECT_THAT(error_of(request_with(R"("startTimeUnixNano":-1)")),
              HasSubstr("spans[0].startTimeUnixNano: must be an unsigned"));
  EXPECT_THAT(error_of(request_with(R"("flags":4294967296)")),
              HasSubstr("spans[0].flags: must be an unsigned"));
}

TEST(OtlpJson, TakesDoublesAlsoAsStrings) {
  EXPECT_EQ(value_of(R"({"doubleValue":1})"), "1.0");
  EXPECT_EQ(value_of(R"({"doubleValue":"1.5"})"), "1.5");
  EXPECT_EQ(value_of(R"({"doubleValue":"NaN"})"), "\"NaN\"");
  EXPECT_EQ(value_of(R"({"doubleValue":"Infinity"})"), "\"Infinity\"");
  EXPECT_EQ(value_of(R"({"doubleValue":"-Infinity"})"), "\"-Infinity\"");
  EXPECT_THAT(error_of(request_with_value(R"({"doubleValue":"inf"})")),
              HasSubstr("doubleValue: must be a number"));
}

TEST(OtlpJson, TakesEnumsAsNumberOrName) {
  for (const auto* kind : {"3", "\"SPAN_KIND_CLIENT\"", "\"3\"", "3.0"}) {
    EXPECT_EQ(transcoded(request_with(std::string("\"kind\":") + kind)).decoded.spans.at(0).kind, 3) << kind;
  }
  const Transcoded out = transcoded(request_with(R"("status":{"code":"STATUS_CODE_ERROR"})"));
  EXPECT_EQ(out.decoded.spans.at(0).status, StatusCode::error);
  EXPECT_THAT(error_of(request_with(R"("kind":"CLIENTELE")")), HasSubstr("spans[0].kind: must be"));
}

TEST(OtlpJson, LeavesIdsOfAnyLengthToTheScan) {
  const std::string json = R"({"resourceSpans":[{"scopeSpans":[{"spans":[
    {"traceId":"0102","spanId":"1112131415161718","name":"bad"},{)" +
                           std::string(kIds) + R"(,"name":"good"}]}]}]})";
  const auto wire = traces_request_from_json(json, nullptr);
  ASSERT_TRUE(wire) << wire.error().sentence;
  const auto scan = scan_traces_request(*wire);
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->spans, 1U);
  EXPECT_EQ(scan->refused_spans, 1U);
  EXPECT_THAT(
      error_of(R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"AQIDBAUGBwgJCgsMDQ4PEA=="}]}]}]})"),
      HasSubstr("spans[0].traceId: must be an id in hex digits"));
}

TEST(OtlpJson, KeepsEmptyValuesAndTakesNullAsAbsent) {
  EXPECT_EQ(value_of("{}"), "null");
  EXPECT_EQ(value_of("null"), "null");
  EXPECT_EQ(value_of(R"({"stringValue":""})"), R"("")");
  EXPECT_EQ(value_of(R"({"arrayValue":{}})"), "[]");
  EXPECT_EQ(value_of(R"({"kvlistValue":{"values":[]}})"), "{}");
  EXPECT_EQ(value_of(R"({"arrayValue":{"values":[{},null,{"intValue":0},{"arrayValue":{"values":[]}}]}})"),
            "[null,null,0,[]]");
  const Transcoded out = transcoded(request_with(R"("name":null,"events":null,"kind":null,"status":null)"));
  EXPECT_EQ(out.decoded.spans.at(0).name, "");
  EXPECT_EQ(transcoded(R"({"resourceSpans":null})").wire, "");
  EXPECT_EQ(transcoded("{}").wire, "");
}

TEST(OtlpJson, SkipsUnknownFieldsButChecksThem) {
  const Transcoded out = transcoded(request_with(R"("name":"n","future":{"a":[1,"x",null,{"b":1e5}]},"":1)"));
  EXPECT_EQ(out.decoded.spans.at(0).name, "n");
  for (const auto* bad : {R"({"a":tru})", R"({"a":"\x"})", R"({"a":[1,})", R"({"a":01})"}) {
    EXPECT_THAT(error_of(request_with(std::string(R"("future":)") + bad)), StartsWith("not JSON: ")) << bad;
  }
}

TEST(OtlpJson, RefusesWhatIsNoRequest) {
  for (const auto* bad : {"", " ", "[]", "7", "\"x\"", "{", "{}{}", R"({"resourceSpans":{}})",
                          R"({"resourceSpans":[7]})", R"({"resourceSpans":[null]})"}) {
    EXPECT_NE(error_of(bad), "no error") << bad;
  }
  EXPECT_EQ(error_of(request_with(R"("attributes":[{"key":7}])")),
            "not OTLP/JSON: resourceSpans[0].scopeSpans[0].spans[0].attributes[0].key: must be a string");
  EXPECT_THAT(error_of(request_with_value(R"({"bytesValue":"***"})")),
              HasSubstr("bytesValue: must be base64"));
  EXPECT_THAT(error_of(request_with_value(R"({"boolValue":"true"})")),
              HasSubstr("boolValue: must be true or false"));
}

TEST(OtlpJson, IsNestedAtMostAHundredDeep) {
  const auto nested = [](int depth) {
    return "{\"x\":" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
  };
  EXPECT_EQ(transcoded(nested(kMaxNestingDepth)).wire, "");
  EXPECT_THAT(error_of(nested(kMaxNestingDepth + 1)), HasSubstr("nested deeper than 100"));
  EXPECT_THAT(error_of(nested(10'000)), HasSubstr("nested deeper than 100"));
}

TEST(OtlpJson, SkipsAByteOrderMarkWithoutCallingItARepair) {
  const Transcoded out = transcoded("\xef\xbb\xbf" + request_with(R"("name":"n")"));
  EXPECT_EQ(out.decoded.spans.at(0).name, "n");
  EXPECT_FALSE(out.repaired);
}

TEST(OtlpJson, RepairsInvalidUtf8AndLoneSurrogates) {
  struct Case {
    std::string written, read;
  };
  const std::string mark = "\xef\xbf\xbd";
  for (const Case& c :
       {Case{"a\xff", "a" + mark}, Case{R"(cut \ud83d)", "cut " + mark},
        Case{R"(\udE00 tail)", mark + " tail"}, Case{R"(\ud83d\ud83d\ude00)", mark + "\xf0\x9f\x98\x80"},
        Case{R"(\ude00\ud83d)", mark + mark}, Case{R"(\ud83dx)", mark + "x"},
        Case{"\xed\xa0\x80\\ud800", mark + mark + mark + mark}}) {
    const Transcoded out = transcoded(request_with("\"name\":\"" + c.written + "\""));
    EXPECT_EQ(out.decoded.spans.at(0).name, c.read);
    EXPECT_TRUE(out.repaired) << c.written;
  }
}

TEST(OtlpJson, LeavesPairsAndEscapedBackslashesAlone) {
  for (const auto& [written, read] :
       {std::pair{R"(\ud83d\ude00)", "\xf0\x9f\x98\x80"}, std::pair{R"(\\ud83d)", "\\ud83d"},
        std::pair{R"(\\\\ud83d)", "\\\\ud83d"}, std::pair{R"(\u00e4\n\")", "\xc3\xa4\n\""}}) {
    const Transcoded out = transcoded(request_with("\"name\":\"" + std::string(written) + "\""));
    EXPECT_EQ(out.decoded.spans.at(0).name, read);
    EXPECT_FALSE(out.repaired) << written;
  }
}

TEST(OtlpJson, SurvivesEveryCut) {
  const std::string json = golden("otlp_genai.json");
  ASSERT_FALSE(json.empty());
  for (std::size_t n = 0; n < json.size(); n += 7)
    EXPECT_FALSE(traces_request_from_json(json.substr(0, n), nullptr));
}

TEST(OtlpJson, IsTakenWhenLargeAndSmallAgain) {
  const std::string text_value(3'000'000, 'x');
  EXPECT_EQ(transcoded(request_with("\"name\":\"" + text_value + "\"")).decoded.spans.at(0).name, text_value);
  EXPECT_EQ(transcoded(request_with(R"("name":"small")")).decoded.spans.at(0).name, "small");
}

TEST(DatagramJson, OfOneSpanGetsWhatItLacks) {
  const std::uint64_t now = 1764000000000000000;
  bool repaired = true;
  const auto wire = traces_request_from_datagram_json(R"( {"name":"hello from a shell"} )", now, &repaired);
  ASSERT_TRUE(wire) << wire.error().sentence;
  EXPECT_FALSE(repaired);
  const auto scan = scan_traces_request(*wire);
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->rewritten, nullptr);
  EXPECT_EQ(resource_string_attribute(scan->groups.at(0).resource, "service.name"), "unknown_service");
  const auto decoded = decode_traces_request(*wire);
  const Span& out = decoded->spans.at(0);
  EXPECT_EQ(out.name, "hello from a shell");
  EXPECT_FALSE(out.trace_id.is_zero());
  EXPECT_FALSE(out.span_id.is_zero());
  EXPECT_EQ(out.start_ns, now);
  EXPECT_EQ(out.end_ns, now);
}

TEST(DatagramJson, OfOneSpanKeepsWhatItHas) {
  const std::uint64_t now = 1000;
  const auto times = [&](std::string_view fields) {
    const auto wire =
        traces_request_from_datagram_json("{" + std::string(kIds) + std::string(fields) + "}", now, nullptr);
    EXPECT_EQ(scan_traces_request(wire.value())->rewritten, nullptr);
    const auto decoded = decode_traces_request(*wire);
    EXPECT_EQ(decoded->spans.at(0).trace_id.raw(), kTrace);
    EXPECT_EQ(decoded->spans.at(0).span_id.raw(), kSpan);
    return std::pair{decoded->spans.at(0).start_ns, decoded->spans.at(0).end_ns};
  };
  EXPECT_EQ(times(R"(,"startTimeUnixNano":"5","endTimeUnixNano":"6")"),
            (std::pair<std::uint64_t, std::uint64_t>(5, 6)));
  EXPECT_EQ(times(R"(,"startTimeUnixNano":"5")"), (std::pair<std::uint64_t, std::uint64_t>(5, 1000)));
  EXPECT_EQ(times(R"(,"startTimeUnixNano":"2000")"), (std::pair<std::uint64_t, std::uint64_t>(2000, 2000)));
  EXPECT_EQ(times(R"(,"endTimeUnixNano":"6")"), (std::pair<std::uint64_t, std::uint64_t>(6, 6)));
  EXPECT_EQ(times(R"(,"end_time_unix_nano":3000)"), (std::pair<std::uint64_t, std::uint64_t>(1000, 3000)));
}

TEST(DatagramJson, MayBeARequestAndMustBeOneOfTheTwo) {
  const std::string json = request_with(R"("name":"n")");
  EXPECT_EQ(traces_request_from_datagram_json(json, 1, nullptr).value(),
            traces_request_from_json(json, nullptr).value());
  for (const auto* bad : {"{}", "[]", R"({"hello":"world"})", R"({"name":7})"}) {
    const auto wire = traces_request_from_datagram_json(bad, 1, nullptr);
    ASSERT_FALSE(wire) << bad;
    EXPECT_EQ(wire.error().kind, ErrorKind::invalid_input);
  }
}

TEST(OtlpAnswer, IsEmptyWhenAllWasTaken) {
  EXPECT_EQ(export_response(OtlpEncoding::protobuf, 0, ""), "");
  EXPECT_EQ(export_response(OtlpEncoding::json, 0, ""), "{}");
}

TEST(OtlpAnswer, TellsAPartialSuccess) {
  EXPECT_EQ(export_response(OtlpEncoding::json, 3, "why"),
            R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"why"}})");
  EXPECT_EQ(export_response(OtlpEncoding::protobuf, 3, "why"), "\x0a\x07\x08\x03\x12\x03why");
}

TEST(OtlpAnswer, TellsAStatus) {
  EXPECT_EQ(rpc_status(OtlpEncoding::json, 14, "full"), R"({"code":14,"message":"full"})");
  EXPECT_EQ(rpc_status(OtlpEncoding::protobuf, 14, "full"),
            "\x08\x0e\x12\x04"
            "full");
}

}  // namespace
}  // namespace spanferry
