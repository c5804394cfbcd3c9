// What an MLflow client wrote beside a trace's spans and info goes after them: files and edits in the order
// they came in, and its deletion, which ends all else. Around the delivery of spans and info.
#pragma once

#include <memory>

#include "uploader/trace_track.hpp"

namespace spanferry::uploader {

// `surface`: of the API that takes the edits.
std::unique_ptr<TraceDelivery> make_written_delivery(const TrackContext& context, Surface surface,
                                                     std::unique_ptr<TraceDelivery> spans_and_info);

}  // namespace spanferry::uploader
