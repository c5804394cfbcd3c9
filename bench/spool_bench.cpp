// How many records the spool commits a second, and what that costs: groups of appends from a few threads, on
// the payloads of the benchmark. A plain program:
//   spool_bench DIRECTORY [one|batch|genai] [SECONDS] [OUTSTANDING] [deliver]
// With `deliver` a reader settles everything at once, as a fast destination does.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "spool/spool.hpp"

namespace {

using namespace spanferry;
using Clock = std::chrono::steady_clock;

struct Shape {
  std::string name;
  std::uint32_t spans;
  std::size_t span_bytes;
};

// Words of a small vocabulary in random order: about as compressible as prompts are.
std::string text(std::mt19937& random, std::size_t bytes) {
  static const std::vector<std::string> words = [] {
    std::mt19937 fixed(7);
    std::vector<std::string> made(4000);
    for (auto& word : made) {
      for (std::size_t i = 2 + fixed() % 10; i > 0; --i) word += "etaoinshrdlucmfwyp"[fixed() % 18];
    }
    return made;
  }();
  std::string out;
  while (out.size() < bytes) out += words[random() % words.size()] + " ";
  out.resize(bytes);
  return out;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long resident_kib() {
  std::ifstream statm("/proc/self/statm");
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

spool::Entry entry_of(const Shape& shape, const std::string& payload, std::mt19937_64& random) {
  spool::Entry entry;
  entry.header.received_ns = Clock::now().time_since_epoch().count();
  entry.header.span_count = shape.spans;
  entry.header.trace_count = 1;
  entry.payload = std::make_shared<const std::string>(payload);
  TraceId trace;
  const std::uint64_t words[2]{random(), random()};
  std::memcpy(trace.bytes.data(), words, sizeof words);
  entry.header.only_trace = trace;
  entry.traces.push_back(trace);
  return entry;
}

void deliver(spool::Spool& spool, spool::Cursor& cursor, std::atomic<bool>& stop) {
  Seq next = cursor.position();
  while (!stop || next < spool.end()) {
    auto batch = spool.read(next, 4U << 20, 4096);
    if (!batch || batch->records.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    std::vector<spool::Settled> settled;
    for (const auto& record : batch->records) {
      settled.push_back(
          spool::Settled::all(record, SpanCounts::of(Outcome::delivered, record.header.span_count)));
    }
    next = batch->next;
    cursor.settle(std::move(settled));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: spool_bench DIRECTORY [one|batch|genai] [SECONDS] [OUTSTANDING] [deliver]\n");
    return 2;
  }
  const std::string which = argc > 2 ? argv[2] : "one";
  const double seconds = argc > 3 ? std::atof(argv[3]) : 5;
  const int outstanding = argc > 4 ? std::atoi(argv[4]) : 64;
  const bool delivering = argc > 5;
  const Shape shape = which == "batch"   ? Shape{which, 100, 1024}
                      : which == "genai" ? Shape{which, 10, 20480}
                                         : Shape{which, 1, 1024};

  spool::Settings settings;
  settings.directory = argv[1];
  settings.min_free_bytes = 0;
  const auto before_open = Clock::now();
  auto opened = spool::Spool::open(settings);
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().sentence.c_str());
    return 1;
  }
  auto& spool = **opened;
  auto* cursor = *spool.cursor("bench", spool::Spool::From::oldest);
  const double open_ms = std::chrono::duration<double, std::milli>(Clock::now() - before_open).count();
  const long idle_kib = resident_kib();

  std::mt19937 words(1);
  std::mt19937_64 ids(2);
  std::vector<std::string> payloads;
  for (int i = 0; i < 32; ++i) payloads.push_back(text(words, shape.spans * shape.span_bytes));

  std::counting_semaphore<> slots(outstanding);
  std::atomic<std::uint64_t> done{0}, refused{0};
  std::atomic<bool> stop{false};
  std::thread reader;
  if (delivering) reader = std::thread([&] { deliver(spool, *cursor, stop); });
  const double cpu_before = cpu_seconds();
  const auto begin = Clock::now();
  long peak_kib = 0;
  for (std::uint64_t i = 0; std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++i) {
    slots.acquire();
    std::vector<spool::Entry> entries;
    entries.push_back(entry_of(shape, payloads[i % payloads.size()], ids));
    spool.append(std::move(entries), [&](Result<spool::Appended> result) {
      ++(result ? done : refused);
      slots.release();
    });
    if (i % 1024 == 0) peak_kib = std::max(peak_kib, resident_kib());
  }
  for (int i = 0; i < outstanding; ++i) slots.acquire();
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  const double cpu = cpu_seconds() - cpu_before;
  stop = true;
  if (reader.joinable()) reader.join();
  const double records = static_cast<double>(done);
  const auto status = spool.status();
  std::printf(
      "%-6s %8.0f records/s %9.0f spans/s %7.1f MB/s  %.2f CPU us/record  groups %llu (%.1f records)  "
      "refused %llu  "
      "open %.0f ms  idle %ld KiB  peak %ld KiB  disk %.0f MB of %.0f MB\n",
      shape.name.c_str(), records / took, records * shape.spans / took,
      records * static_cast<double>(payloads[0].size()) / took / 1e6, cpu / records * 1e6,
      static_cast<unsigned long long>(status.commit_groups),
      records / static_cast<double>(status.commit_groups), static_cast<unsigned long long>(refused.load()),
      open_ms, idle_kib, peak_kib, static_cast<double>(status.bytes) / 1e6,
      records * static_cast<double>(payloads[0].size()) / 1e6);
  return 0;
}
