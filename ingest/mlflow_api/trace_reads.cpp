// Reading traces by id. CONTRACT 1.4.
#include <fmt/format.h>

#include "ingest/mlflow_api/answers.hpp"
#include "ingest/mlflow_api/handlers.hpp"
#include "ingest/mlflow_api/known_trace.hpp"

namespace spanferry::ingest {
namespace {

constexpr std::size_t kMaxBatch = 100;

void write_info(JsonWriter& json, const Api& api, const LocalTrace& trace, Reader reader) {
  json.key("trace_info");
  write_trace_info(json, trace, experiment_of(api, trace), reader);
}

void write_whole(JsonWriter& json, const Api& api, const LocalTrace& trace, Reader reader) {
  json.begin_object();
  write_info(json, api, trace, reader);
  json.key("spans");
  write_otlp_spans(json, trace.spans);
  json.end_object();
}

// Answers with {"trace": …}, of which `write` writes the value.
template <class Write>
KnownTraceHandler tell(const TraceId& id, Reply reply, Write write) {
  return [id, reply = std::move(reply), write = std::move(write)](Result<KnownTrace> known) mutable {
    if (!known) return reply(answer_of(known.error()));
    Response answer = no_such_trace(id);
    if (known->trace && known->trace->exists()) {
      answer = json_answer("");
      JsonWriter json(answer.body);
      json.begin_object().key("trace");
      write(json, *known->trace);
      json.end_object();
    }
    if (known->partial) mark_partial(answer);
    reply(std::move(answer));
  };
}

bool never(const LocalTrace& /*here*/) { return false; }

std::optional<TraceId> id_of(const Call& call) {
  if (!call.parts.empty()) return mlflow::parse_trace_id(call.parts[0]);
  return mlflow::parse_trace_id(call.parameter("trace_id").value_or(""));
}

// The traces of one batchGet, read one after the other.
struct Batch {
  Api& api;
  std::vector<TraceId> ids;
  Reader reader;
  TracePlace place;  // the location of V4; without: V3
  Reply reply;
  std::size_t next = 0;
  bool partial = false;
  std::string body;
  std::unique_ptr<JsonWriter> json;
};

void write_one(Batch& batch, const LocalTrace& trace) {
  if (batch.place.location.empty()) return write_whole(*batch.json, batch.api, trace, batch.reader);
  batch.json->begin_object().key("trace_info");
  write_trace_info_v4(*batch.json, trace, batch.place.location);
  batch.json->key("spans");
  write_otlp_spans(*batch.json, trace.spans);
  batch.json->end_object();
}

void read_next(std::shared_ptr<Batch> batch) {
  if (batch->next == batch->ids.size()) {
    batch->json->end_array().end_object();
    auto answer = json_answer(std::move(batch->body));
    if (batch->partial) mark_partial(answer);
    return batch->reply(std::move(answer));
  }
  const TraceId id = batch->ids[batch->next++];
  whole_trace(batch->api, id, batch->place, [batch](Result<KnownTrace> known) {
    if (!known) return batch->reply(answer_of(known.error()));
    batch->partial = batch->partial || known->partial;
    if (known->trace && known->trace->exists()) write_one(*batch, *known->trace);
    read_next(batch);
  });
}

}  // namespace

void get_trace_info(Api& api, const Call& call, Reply reply) {
  const auto id = id_of(call);
  if (!id) return reply(no_such_trace(call.parts[0]));
  known_trace(
      api, *id, place_of(call), never,
      tell(*id, std::move(reply), [&api, reader = call.reader](JsonWriter& json, const LocalTrace& trace) {
        json.begin_object();
        write_info(json, api, trace, reader);
        json.end_object();
      }));
}

void get_trace(Api& api, const Call& call, Reply reply) {
  const auto id = id_of(call);
  if (!id) {
    const auto said = call.parameter("trace_id");
    return reply(said ? no_such_trace(*said) : missing("trace_id"));
  }
  whole_trace(
      api, *id, place_of(call),
      tell(*id, std::move(reply), [&api, reader = call.reader](JsonWriter& json, const LocalTrace& trace) {
        write_whole(json, api, trace, reader);
      }));
}

void get_trace_info_v4(Api& api, const Call& call, Reply reply) {
  const auto id = id_of(call);
  if (!id) return reply(no_such_trace(call.parts[0]));
  known_trace(api, *id, place_of(call), never,
              tell(*id, std::move(reply),
                   [location = std::string(call.location)](JsonWriter& json, const LocalTrace& trace) {
                     json.begin_object().key("trace_info");
                     write_trace_info_v4(json, trace, location);
                     json.end_object();
                   }));
}

void batch_get_traces(Api& api, const Call& call, Reply reply) {
  const auto names = call.parameters("trace_ids");
  if (names.empty()) return reply(missing("trace_ids"));
  if (names.size() > kMaxBatch) return reply(invalid(fmt::format("at most {} trace_ids", kMaxBatch)));
  auto batch =
      std::make_shared<Batch>(api, std::vector<TraceId>{}, call.reader, place_of(call), std::move(reply));
  for (const std::string& name : names)
    if (const auto id = mlflow::parse_trace_id(name)) batch->ids.push_back(*id);
  batch->json = std::make_unique<JsonWriter>(batch->body);
  batch->json->begin_object().key("traces").begin_array();
  read_next(std::move(batch));
}

}  // namespace spanferry::ingest
