#include "daemon/budgets.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "daemon/quantities.hpp"
#include "ingest/limits.hpp"
#include "model/json_writer.hpp"
#include "spool/limits.hpp"
#include "uploader/otlp_reader.hpp"
#include "uploader/trace_track.hpp"

namespace spanferry::daemon {
namespace {

constexpr std::uint64_t kProgramBytes = 24ULL << 20;  // measured: idle, write buffers empty
constexpr std::size_t kSmallColumnFamilies = 4;       // state, traces, parked, dead

}  // namespace

std::vector<Budget> memory_budgets(const config::Settings& settings) {
  std::vector<Budget> all{
      {"the program, its threads and connections", kProgramBytes},
      {"requests being read or committed (listen.max_inflight_bytes)", settings.ingest.max_inflight_bytes},
      {"datagrams being read or committed",
       settings.ingest.udp.empty()
           ? 0
           : settings.ingest.udp_queue_bytes + ingest::kDatagramsAtOnce * ingest::kDatagramBytes},
      {"spool: write buffers", settings.spool.memory.log_buffer_bytes * spool::kLogBuffers +
                                   spool::kIndexBufferBytes +
                                   kSmallColumnFamilies * spool::kSmallBufferBytes},
      {"spool: newest payloads, shared with readers", settings.spool.memory.hot_bytes},
      {"spool: block cache", settings.spool.memory.block_cache_bytes},
      {"spool: one commit group", settings.spool.memory.group_bytes},
      {"spool: summaries that were searched last", settings.spool.memory.searched_bytes},
  };
  for (const auto& d : settings.uploader.destinations) {
    if (d.kind == uploader::Kind::local) continue;
    if (d.kind == uploader::Kind::databricks) {
      all.push_back(
          {fmt::format("destination {}: traces under way", d.name), uploader::gathered_bytes_limit(d)});
      continue;
    }
    const std::uint64_t most = d.concurrency * d.max_batch_bytes;
    all.push_back({fmt::format("destination {}: batches under way (concurrency x max_batch_bytes)", d.name),
                   std::min(most, std::max(uploader::kMaxBytesUnderWay, d.max_batch_bytes))});
  }
  return all;
}

std::string budgets_text(const std::vector<Budget>& budgets) {
  std::size_t width = 5;
  for (const auto& b : budgets) width = std::max(width, b.name.size());
  std::string out = "memory, at most\n";
  std::uint64_t sum = 0;
  for (const auto& b : budgets) {
    out += fmt::format("  {:<{}}  {:>10}\n", b.name, width, bytes_text(b.bytes));
    sum += b.bytes;
  }
  return out + fmt::format("  {:<{}}  {:>10}\n", "sum", width, bytes_text(sum));
}

std::string budgets_json(const std::vector<Budget>& budgets) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const auto& b : budgets)
    json.begin_object().field("name", b.name).field("bytes", b.bytes).end_object();
  json.end_array();
  return out;
}

}  // namespace spanferry::daemon
