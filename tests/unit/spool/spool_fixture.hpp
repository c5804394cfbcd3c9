// What the spool's tests share: a directory of their own, entries, appends that wait for their answer.
#pragma once

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "model/clock.hpp"
#include "model/ids.hpp"
#include "spool/internals.hpp"
#include "spool/spool.hpp"

namespace spanferry::spool {

// A fresh directory, removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string text_payload(std::size_t bytes, unsigned seed) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) {
    seed = seed * 1664525U + 1013904223U;
    text[i] = static_cast<char>('a' + (seed >> 24) % 26);
  }
  return text;
}

inline TraceId trace_of(std::uint64_t n) {
  TraceId id;
  id.bytes[0] = 1;
  for (int i = 0; i < 8; ++i)
    id.bytes[static_cast<std::size_t>(15 - i)] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}

inline SpanId span_of(std::uint64_t n) {
  SpanId id;
  id.bytes[0] = 2;
  for (int i = 0; i < 7; ++i)
    id.bytes[static_cast<std::size_t>(7 - i)] = static_cast<std::uint8_t>(n >> (8 * i));
  return id;
}

inline Entry entry_of(std::string payload, std::vector<TraceId> traces, std::uint32_t spans) {
  Entry entry;
  entry.header.received_ns = unix_now_ns();
  entry.header.span_count = spans;
  entry.header.trace_count = static_cast<std::uint32_t>(traces.size());
  entry.payload = std::make_shared<const std::string>(std::move(payload));
  entry.traces = std::move(traces);
  return entry;
}

inline std::future<Result<Appended>> append_later(Spool& spool, Entry entry) {
  auto promise = std::make_shared<std::promise<Result<Appended>>>();
  auto future = promise->get_future();
  std::vector<Entry> entries;
  entries.push_back(std::move(entry));
  spool.append(std::move(entries),
               [promise](Result<Appended> result) { promise->set_value(std::move(result)); });
  return future;
}

inline Result<Appended> append(Spool& spool, Entry entry) {
  return append_later(spool, std::move(entry)).get();
}

inline void put_and_wait(Spool& spool, std::string key, std::string value) {
  std::promise<Result<>> done;
  spool.put(std::move(key), std::move(value),
            [&done](Result<> result) { done.set_value(std::move(result)); });
  ASSERT_TRUE(done.get_future().get());
}

// Waits until `condition` holds, by looking again; the deadline only ends a test that hangs.
template <class Condition>
bool eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    settings.directory = directory.path();
    settings.max_bytes = kMinMaxBytes;
    settings.min_free_bytes = 0;
    settings.retain_bytes = 0;
    settings.lock_wait = std::chrono::seconds(0);
    internals.orphan_grace = std::chrono::milliseconds(0);
  }
  void open() {
    spool.reset();
    auto opened = open_spool(settings, {}, internals);
    ASSERT_TRUE(opened) << opened.error().sentence;
    spool = std::move(*opened);
  }
  Cursor* cursor(const std::string& name, Spool::From from = Spool::From::oldest) {
    auto got = spool->cursor(name, from);
    EXPECT_TRUE(got) << got.error().sentence;
    return got ? *got : nullptr;
  }
  // Waits for a store that is being reopened: after a failed write that may happen at any moment, and again.
  Result<ReadBatch> read_patiently(Seq from) {
    Result<ReadBatch> batch = spool->read(from, 1U << 20, 1000);
    eventually([&] {
      if (batch || batch.error().kind != ErrorKind::unavailable) return true;
      batch = spool->read(from, 1U << 20, 1000);
      return false;
    });
    return batch;
  }
  // Everything from `from` on, in one list; gaps are appended to `gaps`.
  std::vector<Record> read_all(Seq from, std::vector<Gap>* gaps = nullptr) {
    std::vector<Record> records;
    while (from < spool->end()) {
      auto batch = read_patiently(from);
      EXPECT_TRUE(batch) << batch.error().sentence;
      if (!batch || batch->next <= from) break;
      for (auto& record : batch->records) records.push_back(std::move(record));
      if (gaps != nullptr) gaps->insert(gaps->end(), batch->gaps.begin(), batch->gaps.end());
      from = batch->next;
    }
    return records;
  }

  TemporaryDirectory directory;
  Settings settings;
  Internals internals;
  std::unique_ptr<Spool> spool;
};

}  // namespace spanferry::spool
