#include "model/otlp_repair.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "model/otlp_check.hpp"
#include "model/otlp_fields.hpp"
#include "model/utf8.hpp"

namespace spanferry::otlp {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;
using protozero::tag_and_type;

constexpr auto kBytes = pbf_wire_type::length_delimited;
constexpr auto kFixed64 = pbf_wire_type::fixed64;

void add(std::string& out, Tag tag, std::string_view bytes) {
  pbf_writer(out).add_bytes(tag, bytes.data(), bytes.size());
}

// Walks the fields of a message; those that `handle` returns false for (without having read them) are copied
// byte for byte.
template <class Handle>
void walk(std::string_view wire, std::string& out, Handle handle) {
  const char* at = wire.data();
  for (pbf_reader reader = reader_of(wire); reader.next(); at = reader.data().data()) {
    if (handle(reader)) continue;
    reader.skip();
    out.append(at, reader.data().data());
  }
}

bool repair_text(pbf_reader& reader, std::string& out) {
  const Tag tag = reader.tag();
  const std::string_view text = take(reader);
  if (is_valid_utf8(text)) {
    add(out, tag, text);
  } else {
    add(out, tag, repair_utf8(text));
  }
  return true;
}

// Adds the message the reader stands on, rewritten by `rewrite`.
template <class Write>
bool repair_message(pbf_reader& reader, std::string& out, Write rewrite) {
  const Tag tag = reader.tag();
  add(out, tag, rewrite(take(reader)));
  return true;
}

std::string repaired_key_value(std::string_view wire);

std::string repaired_any_value(std::string_view wire) {
  const auto repaired_list = [](std::string_view list_wire, auto rewrite) {
    std::string out;
    walk(list_wire, out, [&](pbf_reader& reader) {
      return reader.tag_and_type() == tag_and_type(list::kValues, kBytes) &&
             repair_message(reader, out, rewrite);
    });
    return out;
  };
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    switch (reader.tag_and_type()) {
      case tag_and_type(any_value::kString, kBytes):
        return repair_text(reader, out);
      case tag_and_type(any_value::kArray, kBytes):
        add(out, any_value::kArray, repaired_list(take(reader), repaired_any_value));
        return true;
      case tag_and_type(any_value::kKvlist, kBytes):
        add(out, any_value::kKvlist, repaired_list(take(reader), repaired_key_value));
        return true;
      default:
        return false;
    }
  });
  return out;
}

std::string repaired_key_value(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    switch (reader.tag_and_type()) {
      case tag_and_type(key_value::kKey, kBytes):
        return repair_text(reader, out);
      case tag_and_type(key_value::kValue, kBytes):
        return repair_message(reader, out, repaired_any_value);
      default:
        return false;
    }
  });
  return out;
}

std::string repaired_event(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    switch (reader.tag_and_type()) {
      case tag_and_type(event::kTime, kFixed64):
        pbf_writer(out).add_fixed64(event::kTime, std::min(reader.get_fixed64(), kMaxTimeNs));
        return true;
      case tag_and_type(event::kName, kBytes):
        return repair_text(reader, out);
      case tag_and_type(event::kAttributes, kBytes):
        return repair_message(reader, out, repaired_key_value);
      default:
        return false;
    }
  });
  return out;
}

std::string repaired_link(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    switch (reader.tag_and_type()) {
      case tag_and_type(link::kTraceState, kBytes):
        return repair_text(reader, out);
      case tag_and_type(link::kAttributes, kBytes):
        return repair_message(reader, out, repaired_key_value);
      default:
        return false;
    }
  });
  return out;
}

std::string repaired_status(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    return reader.tag_and_type() == tag_and_type(status::kMessage, kBytes) && repair_text(reader, out);
  });
  return out;
}

std::string repaired_entity_ref(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    return reader.tag() <= entity_ref::kDescriptionKeys && repair_text(reader, out);
  });
  return out;
}

std::string repaired_resource(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    switch (reader.tag_and_type()) {
      case tag_and_type(resource::kAttributes, kBytes):
        return repair_message(reader, out, repaired_key_value);
      case tag_and_type(resource::kEntityRefs, kBytes):
        return repair_message(reader, out, repaired_entity_ref);
      default:
        return false;
    }
  });
  return out;
}

std::string repaired_scope(std::string_view wire) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    switch (reader.tag_and_type()) {
      case tag_and_type(scope::kName, kBytes):
      case tag_and_type(scope::kVersion, kBytes):
        return repair_text(reader, out);
      case tag_and_type(scope::kAttributes, kBytes):
        return repair_message(reader, out, repaired_key_value);
      default:
        return false;
    }
  });
  return out;
}

// The attribute that marks a span as repaired.
std::string repaired_mark() {
  std::string value;
  pbf_writer(value).add_bool(any_value::kBool, true);
  std::string out;
  add(out, key_value::kKey, kRepairedAttribute);
  add(out, key_value::kValue, value);
  return out;
}

bool is_repaired_mark(std::string_view key_value_wire) {
  std::string_view key;
  for (pbf_reader reader = reader_of(key_value_wire); reader.next();) {
    if (reader.tag_and_type() == tag_and_type(key_value::kKey, kBytes)) {
      key = take(reader);
    } else {
      reader.skip();
    }
  }
  return key == kRepairedAttribute;
}

// The fields whose rewriting needs the whole span: parent, times and the mark. True when the field is done.
bool repair_whole_span_field(pbf_reader& reader, const SpanCheck& check) {
  switch (reader.tag_and_type()) {
    case tag_and_type(span::kParentSpanId, kBytes):
      if (check.parent_sound()) return false;
      break;
    case tag_and_type(span::kStart, kFixed64):
    case tag_and_type(span::kEnd, kFixed64):
      break;  // both are written at the end
    case tag_and_type(span::kAttributes, kBytes): {
      pbf_reader ahead = reader;
      if (!is_repaired_mark(take(ahead))) return false;
      break;  // written once more at the end
    }
    case tag_and_type(span::kLinks, kBytes): {
      pbf_reader ahead = reader;
      if (link_ids_sound(take(ahead))) return false;
      break;
    }
    default:
      return false;
  }
  reader.skip();
  return true;
}

std::string repaired_span(std::string_view wire, const SpanCheck& check) {
  std::string out;
  walk(wire, out, [&](pbf_reader& reader) {
    if (repair_whole_span_field(reader, check)) return true;
    switch (reader.tag_and_type()) {
      case tag_and_type(span::kTraceState, kBytes):
      case tag_and_type(span::kName, kBytes):
        return repair_text(reader, out);
      case tag_and_type(span::kAttributes, kBytes):
        return repair_message(reader, out, repaired_key_value);
      case tag_and_type(span::kEvents, kBytes):
        return repair_message(reader, out, repaired_event);
      case tag_and_type(span::kLinks, kBytes):
        return repair_message(reader, out, repaired_link);
      case tag_and_type(span::kStatus, kBytes):
        return repair_message(reader, out, repaired_status);
      default:
        return false;
    }
  });
  const std::uint64_t start_ns = std::min(check.start_ns, kMaxTimeNs);
  const std::uint64_t end_ns = std::max(start_ns, std::min(check.end_ns, kMaxTimeNs));
  if (start_ns != 0) pbf_writer(out).add_fixed64(span::kStart, start_ns);
  if (end_ns != 0) pbf_writer(out).add_fixed64(span::kEnd, end_ns);
  add(out, span::kAttributes, repaired_mark());
  return out;
}

class RequestRewriter {
 public:
  Rewrite run(std::string_view request) {
    walk(request, result_.body, [&](pbf_reader& reader) {
      return reader.tag() == request::kResourceSpans &&
             keep_unless_emptied(reader, result_.body, [this](auto wire) { return resource_spans(wire); });
    });
    return std::move(result_);
  }

 private:
  // Adds the message rewritten by `rewrite`, unless refusals took all its spans.
  template <class Write>
  bool keep_unless_emptied(pbf_reader& reader, std::string& out, Write rewrite) {
    const Tag tag = reader.tag();
    const auto refused_before = result_.refused_spans;
    const auto kept_before = kept_spans_;
    const std::string written = rewrite(take(reader));
    if (result_.refused_spans == refused_before || kept_spans_ != kept_before) add(out, tag, written);
    return true;
  }

  // Copies a sound message, rewrites another.
  template <class Write>
  bool repair_unless_sound(pbf_reader& reader, std::string& out, bool (*sound)(std::string_view),
                           Write rewrite) {
    pbf_reader ahead = reader;
    if (sound(take(ahead))) return false;
    result_.repaired = true;
    return repair_message(reader, out, rewrite);
  }

  bool schema_url(pbf_reader& reader, std::string& out) {
    pbf_reader ahead = reader;
    result_.repaired |= !is_valid_utf8(take(ahead));
    return repair_text(reader, out);
  }

  std::string resource_spans(std::string_view wire) {
    std::string out;
    walk(wire, out, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case resource_spans::kResource:
          return repair_unless_sound(reader, out, check_resource, repaired_resource);
        case resource_spans::kScopeSpans:
          return keep_unless_emptied(reader, out, [this](auto spans) { return scope_spans(spans); });
        case resource_spans::kSchemaUrl:
          return schema_url(reader, out);
        default:
          return false;
      }
    });
    return out;
  }

  std::string scope_spans(std::string_view wire) {
    std::string out;
    walk(wire, out, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case scope_spans::kScope:
          return repair_unless_sound(reader, out, check_scope, repaired_scope);
        case scope_spans::kSpans:
          return span(reader, out);
        case scope_spans::kSchemaUrl:
          return schema_url(reader, out);
        default:
          return false;
      }
    });
    return out;
  }

  bool span(pbf_reader& reader, std::string& out) {
    pbf_reader ahead = reader;
    const std::string_view wire = take(ahead);
    const SpanCheck check = check_span(wire);
    const auto index = kept_spans_ + result_.refused_spans;
    if (check.refused()) {
      if (result_.refused_spans++ == 0) {
        result_.refused_reason = fmt::format("span {} refused: {}", index, check.refusal());
      }
      reader.skip();
      return true;
    }
    ++kept_spans_;
    if (check.sound()) return false;
    result_.repaired = true;
    add(out, scope_spans::kSpans, repaired_span(wire, check));
    reader.skip();
    return true;
  }

  Rewrite result_;
  std::uint32_t kept_spans_ = 0;
};

}  // namespace

Rewrite rewrite_request(std::string_view request) { return RequestRewriter().run(request); }

}  // namespace spanferry::otlp
