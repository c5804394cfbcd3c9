#include "model/otlp_scan.hpp"

#include <unordered_set>

#include <fmt/format.h>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"
#include "model/otlp_repair.hpp"
#include "model/utf8.hpp"

namespace spanferry {
namespace {

using otlp::advance;
using otlp::reader_of;
using otlp::skip_unknown;
using otlp::take;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;

// Ids are the sender's choice: without a secret, a request of a million ids in one bucket could be made.
struct SecretHash {
  std::uint64_t secret[2];

  std::size_t operator()(const TraceId& id) const noexcept {
    std::uint64_t half[2];
    std::memcpy(half, id.bytes.data(), sizeof half);
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{half[0] ^ secret[0]} * (half[1] ^ secret[1]);
    return static_cast<std::size_t>(product ^ product >> 64);
  }
};

SecretHash secret_hash() {
  static const SecretHash hash = [] {
    SecretHash fresh{};
    std::memcpy(fresh.secret, mint_trace_id().bytes.data(), sizeof fresh.secret);
    return fresh;
  }();
  return hash;
}

// Distinct ids in order of appearance. Spans of a trace mostly follow one another and a request mostly holds
// few traces, so the last one and then a short list are looked at before there is a set.
class DistinctTraces {
 public:
  explicit DistinctTraces(std::vector<TraceId>& ids) : ids_(ids) {}

  void add(const TraceId& id) {
    if (last_ == id) return;
    last_ = id;
    if (seen_.empty()) {
      for (const TraceId& known : ids_) {
        if (known == id) return;
      }
      ids_.push_back(id);
      if (ids_.size() > kShort) seen_.insert(ids_.begin(), ids_.end());
    } else if (seen_.insert(id).second) {
      ids_.push_back(id);
    }
  }

 private:
  static constexpr std::size_t kShort = 16;

  std::vector<TraceId>& ids_;
  TraceId last_;
  std::unordered_set<TraceId, SecretHash> seen_{0, secret_hash()};
};

// One look at a request: what is in it, and whether all of it is sound.
class Look {
 public:
  Look(std::string_view body, Scan& scan) : body_(body), scan_(scan), all_traces_(scan.traces) {}

  bool run() {
    const char* at = body_.data();
    for (pbf_reader reader = reader_of(body_); advance(reader); at = reader.data().data()) {
      if (reader.tag_and_type() != tag_and_type(otlp::request::kResourceSpans, kBytes)) {
        skip_unknown(reader, "ExportTraceServiceRequest", otlp::request::kResourceSpans);
        continue;
      }
      ResourceGroup group;
      resource_spans(take(reader), group);
      group.field = {at, static_cast<std::size_t>(reader.data().data() - at)};
      if (group.spans == 0) continue;
      if (scan_.groups.size() == kMaxResourceGroups) {
        throw otlp::Malformed(fmt::format("more than {} ResourceSpans", kMaxResourceGroups));
      }
      scan_.groups.push_back(std::move(group));
    }
    return sound_;
  }

 private:
  void resource_spans(std::string_view wire, ResourceGroup& group) {
    DistinctTraces traces(group.traces);
    for (pbf_reader reader = reader_of(wire); advance(reader);) {
      switch (reader.tag_and_type()) {
        case tag_and_type(otlp::resource_spans::kResource, kBytes):
          group.resource = take(reader);
          sound_ &= otlp::check_resource(group.resource);
          break;
        case tag_and_type(otlp::resource_spans::kScopeSpans, kBytes):
          scope_spans(take(reader), group, traces);
          break;
        case tag_and_type(otlp::resource_spans::kSchemaUrl, kBytes):
          sound_ &= is_valid_utf8(take(reader));
          break;
        default:
          skip_unknown(reader, "ResourceSpans", otlp::resource_spans::kSchemaUrl);
      }
    }
    scan_.spans += group.spans;
    for (const TraceId& id : group.traces) all_traces_.add(id);
  }

  void scope_spans(std::string_view wire, ResourceGroup& group, DistinctTraces& traces) {
    for (pbf_reader reader = reader_of(wire); advance(reader);) {
      switch (reader.tag_and_type()) {
        case tag_and_type(otlp::scope_spans::kSpans, kBytes): {
          const otlp::SpanCheck check = otlp::check_span(take(reader));
          if (check.refused()) {
            sound_ = false;
            break;
          }
          sound_ &= check.sound();
          ++group.spans;
          traces.add(check.trace_id);
          break;
        }
        case tag_and_type(otlp::scope_spans::kScope, kBytes):
          sound_ &= otlp::check_scope(take(reader));
          break;
        case tag_and_type(otlp::scope_spans::kSchemaUrl, kBytes):
          sound_ &= is_valid_utf8(take(reader));
          break;
        default:
          skip_unknown(reader, "ScopeSpans", otlp::scope_spans::kSchemaUrl);
      }
    }
  }

  std::string_view body_;
  Scan& scan_;
  DistinctTraces all_traces_;
  bool sound_ = true;
};

Result<Scan> scan_or_throw(std::string_view body) {
  Scan scan;
  if (Look(body, scan).run()) return scan;
  otlp::Rewrite rewrite = otlp::rewrite_request(body);
  Scan again;
  again.refused_spans = rewrite.refused_spans;
  again.refused_reason = std::move(rewrite.refused_reason);
  again.repaired = rewrite.repaired;
  again.rewritten = std::make_shared<const std::string>(std::move(rewrite.body));
  if (!Look(*again.rewritten, again).run()) {
    return fail(ErrorKind::internal, "a repaired traces request is still not sound");
  }
  return again;
}

}  // namespace

Result<Scan> scan_traces_request(std::string_view body) {
  try {
    return scan_or_throw(body);
  } catch (const otlp::Malformed& e) {
    return fail(ErrorKind::invalid_input, std::string("not an OTLP traces request: ") + e.what());
  } catch (const protozero::exception& e) {
    return fail(ErrorKind::invalid_input, std::string("not an OTLP traces request: ") + e.what());
  }
}

}  // namespace spanferry
