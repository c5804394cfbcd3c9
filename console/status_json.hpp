// The parts of the status that other answers show too.
#pragma once

#include "model/json_writer.hpp"
#include "model/status.hpp"

namespace spanferry::console {

// {"accepted": n, "recovered": n, "delivered": n, ..., "pending": n}
void write_accounting(JsonWriter& json, const Accounting& accounting);
void write_destination(JsonWriter& json, const DestinationStatus& destination);

}  // namespace spanferry::console
