// Span files in the object storage behind a workspace: signed URLs are fetched for each transfer, and anew
// when the storage says that one is no good any more. Four kinds of storage, each with its own calls.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "model/result.hpp"
#include "uploader/trace_calls.hpp"

namespace spanferry::uploader {

// Azure takes a file in parts of at most this; the others whole.
inline constexpr std::size_t kStoragePartBytes = 10U << 20;

struct StorageCredential {
  std::string kind;  // AWS_PRESIGNED_URL, GCP_SIGNED_URL, AZURE_SAS_URI, AZURE_ADLS_GEN2_SAS_URI
  std::string url;   // signed: never logged
  std::vector<std::pair<std::string, std::string>> headers;
};
Result<StorageCredential> parse_storage_credential(std::string_view json);

// Whether spans may go to a signed URL: one without TLS is used only where the workspace itself has none.
bool is_as_safe_as(std::string_view workspace_url, std::string_view signed_url);

// The requests that put `body` there, in order; empty for a kind we do not know. `block_id`: 32 hex digits.
std::vector<net::HttpRequest> upload_requests(const StorageCredential& credential, std::string body,
                                              std::string_view block_id);

// Lives on the deliver thread.
class DatabricksStorage {
 public:
  // `path`: of the file below the trace's artifacts; empty: its span file.
  DatabricksStorage(const TrackContext& context, TraceCalls& calls, std::string path = {})
      : context_(context), calls_(calls), path_(std::move(path)) {}

  // done; not_found: the workspace has no such trace; halve: too large; split: refused for good; stopped.
  // With a time: the file is written in one try, begun before that time, or not at all; Action::again tells
  // that it was not, or that nobody knows (with a `status`: an error that may be
  // about the file).
  using Time = std::chrono::steady_clock::time_point;
  boost::asio::awaitable<Verdict> upload(const TraceId& trace, std::string body,
                                         std::optional<Time> not_after = std::nullopt);
  // As upload, with the file in response.body; a trace that has no file yet gives an empty body.
  boost::asio::awaitable<Verdict> download(const TraceId& trace);

 private:
  boost::asio::awaitable<Verdict> transfer(const TraceId& trace, const std::string* upload,
                                           std::optional<Time> not_after);
  boost::asio::awaitable<Verdict> upload_once(const StorageCredential& credential, const std::string& body,
                                              Tries tries);
  boost::asio::awaitable<Verdict> download_once(const StorageCredential& credential);

  const TrackContext context_;
  TraceCalls& calls_;
  const std::string path_;
};

}  // namespace spanferry::uploader
