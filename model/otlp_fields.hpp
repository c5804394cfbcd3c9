// Field numbers of the OTLP messages, as opentelemetry-proto 1.x (trace/v1/trace.proto,
// common/v1/common.proto, resource/v1/resource.proto, collector/trace/v1/trace_service.proto) gives them.
#pragma once

#include <protozero/types.hpp>

namespace spanferry::otlp {

using Tag = protozero::pbf_tag_type;

namespace request {
inline constexpr Tag kResourceSpans = 1;
}
namespace resource_spans {
inline constexpr Tag kResource = 1, kScopeSpans = 2, kSchemaUrl = 3;
}
namespace resource {
inline constexpr Tag kAttributes = 1, kDroppedAttributesCount = 2, kEntityRefs = 3;
}
namespace scope_spans {
inline constexpr Tag kScope = 1, kSpans = 2, kSchemaUrl = 3;
}
namespace scope {
inline constexpr Tag kName = 1, kVersion = 2, kAttributes = 3, kDroppedAttributesCount = 4;
}
namespace span {
inline constexpr Tag kTraceId = 1, kSpanId = 2, kTraceState = 3, kParentSpanId = 4, kName = 5, kKind = 6,
                     kStart = 7, kEnd = 8, kAttributes = 9, kDroppedAttributesCount = 10, kEvents = 11,
                     kDroppedEventsCount = 12, kLinks = 13, kDroppedLinksCount = 14, kStatus = 15,
                     kFlags = 16;
}
namespace event {
inline constexpr Tag kTime = 1, kName = 2, kAttributes = 3, kDroppedAttributesCount = 4;
}
namespace link {
inline constexpr Tag kTraceId = 1, kSpanId = 2, kTraceState = 3, kAttributes = 4, kDroppedAttributesCount = 5,
                     kFlags = 6;
}
namespace status {
inline constexpr Tag kMessage = 2, kCode = 3;
}
namespace key_value {
inline constexpr Tag kKey = 1, kValue = 2;
}
namespace any_value {
inline constexpr Tag kString = 1, kBool = 2, kInt = 3, kDouble = 4, kArray = 5, kKvlist = 6, kBytes = 7;
}
namespace list {
inline constexpr Tag kValues = 1;  // of ArrayValue and of KeyValueList
}
namespace entity_ref {
inline constexpr Tag kSchemaUrl = 1, kType = 2, kIdKeys = 3, kDescriptionKeys = 4;
}

}  // namespace spanferry::otlp
