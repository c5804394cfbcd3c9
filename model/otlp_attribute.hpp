// One KeyValue message, for those inside the model who walk the wire themselves.
#pragma once

#include <string_view>

#include "model/otlp_span.hpp"

namespace spanferry::otlp {

// A view of a KeyValue message. Throws protozero::exception where it is malformed.
Attribute read_attribute(std::string_view wire);

}  // namespace spanferry::otlp
