// Spans on their way to Unity Catalog tables by OTLP: what several traces have for the same table goes in one
// request. A table is only appended to and nothing in a request identifies it, so a retry sends the same
// bytes again; what is refused is divided, down to the span. CONTRACT 2.3.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "uploader/slots.hpp"
#include "uploader/trace_calls.hpp"
#include "uploader/trace_track.hpp"

namespace spanferry::uploader {

// Spans of one trace.
struct TableRows {
  std::shared_ptr<const std::string> request;  // OTLP
  std::uint64_t spans = 0;
};

// The spans from the `from`th to before the `to`th.
TableRows cut(const TableRows& rows, std::size_t from, std::size_t to);

// done: all but `refused` are in the table. Otherwise nothing is known to be there: held, not_found (the
// table), stopped.
struct TableAnswer {
  Verdict verdict;
  std::vector<RefusedSpans> refused;
};

// Lives on the deliver thread.
class TableRequests {
 public:
  TableRequests(const TrackContext& context, TraceCalls& calls);

  // Returns when it is known what became of them.
  boost::asio::awaitable<TableAnswer> send(std::string table, TableRows rows);
  void stop() { slots_.stop(); }

 private:
  struct Member {
    TableRows rows;
    TableAnswer answer;
  };
  // Who came first sends for all.
  struct Group {
    Group(boost::asio::io_context& io, std::string to)
        : table(std::move(to)), done(io, boost::asio::steady_timer::time_point::max()) {}
    std::string table;
    std::vector<Member> members;
    std::size_t bytes = 0;
    bool is_answered = false;
    boost::asio::steady_timer done;
  };

  std::shared_ptr<Group> join(const std::string& table, TableRows rows);
  boost::asio::awaitable<void> lead(const std::shared_ptr<Group>& group);
  boost::asio::awaitable<void> deliver(const std::string& table, std::vector<Member*> members);
  boost::asio::awaitable<void> deliver_alone(const std::string& table, TableRows rows, TableAnswer& answer);
  boost::asio::awaitable<Verdict> post(const std::string& table,
                                       std::vector<std::shared_ptr<const std::string>> pieces);
  static void note_partial(const std::vector<Member*>& members, const Verdict& verdict);

  const TrackContext context_;
  TraceCalls& calls_;
  Slots slots_;
  std::map<std::string, std::shared_ptr<Group>> open_;  // by table: takes more as long as it is not under way
};

}  // namespace spanferry::uploader
