#include "uploader/databricks_storage.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>
#include <strings.h>

#include "model/percent_encode.hpp"
#include "net/backoff.hpp"
#include "uploader/endpoint.hpp"
#include "uploader/gate.hpp"

namespace spanferry::uploader {
namespace asio = boost::asio;

namespace {

// Fresh URLs that are refused at once before we wait; and how many 400s make a refusal of the file itself.
constexpr int kAtOnce = 3;
constexpr int kMaxBadRequests = 3;
constexpr std::size_t kMaxFileBytes = 512U << 20;

std::string with_query(std::string_view url, std::string_view query) {
  return fmt::format("{}{}{}", url, url.find('?') == std::string_view::npos ? '?' : '&', query);
}

net::HttpRequest request_of(const StorageCredential& credential, std::string method, std::string url,
                            std::string body) {
  net::HttpRequest request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.headers = credential.headers;
  if (!body.empty()) request.body.push_back(std::make_shared<const std::string>(std::move(body)));
  return request;
}

std::vector<std::string> parts_of(std::string body) {
  if (body.size() <= kStoragePartBytes) {
    std::vector<std::string> whole;
    whole.push_back(std::move(body));
    return whole;
  }
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < body.size(); at += kStoragePartBytes)
    parts.push_back(body.substr(at, kStoragePartBytes));
  return parts;
}

// Azure Blob Storage, "Put Block" and "Put Block List". All ids of a blob have the same length.
std::vector<net::HttpRequest> azure_blob(const StorageCredential& credential, std::string body,
                                         std::string_view block_id) {
  std::vector<net::HttpRequest> requests;
  std::string list = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n";
  std::size_t n = 0;
  for (std::string& part : parts_of(std::move(body))) {
    const std::string id = base64_encode(fmt::format("{}{:04x}", block_id.substr(0, 28), n++ & 0xffffU));
    auto request =
        request_of(credential, "PUT",
                   with_query(credential.url, fmt::format("comp=block&blockid={}", percent_encode(id))),
                   std::move(part));
    request.headers.emplace_back("x-ms-blob-type", "BlockBlob");
    requests.push_back(std::move(request));
    list += fmt::format("<Uncommitted>{}</Uncommitted>\n", id);
  }
  list += "</BlockList>";
  requests.push_back(
      request_of(credential, "PUT", with_query(credential.url, "comp=blocklist"), std::move(list)));
  return requests;
}

// Azure Data Lake Storage Gen2, "Path - Create" and "Path - Update".
std::vector<net::HttpRequest> azure_lake(const StorageCredential& credential, std::string body) {
  std::vector<net::HttpRequest> requests;
  requests.push_back(request_of(credential, "PUT", with_query(credential.url, "resource=file"), {}));
  const std::size_t size = body.size();
  auto parts = parts_of(std::move(body));
  std::size_t at = 0;
  for (std::string& part : parts) {
    const std::size_t bytes = part.size();
    const auto query = fmt::format("action=append&position={}{}", at, parts.size() == 1 ? "&flush=true" : "");
    requests.push_back(request_of(credential, "PATCH", with_query(credential.url, query), std::move(part)));
    at += bytes;
  }
  if (parts.size() > 1)
    requests.push_back(request_of(
        credential, "PATCH", with_query(credential.url, fmt::format("action=flush&position={}", size)), {}));
  return requests;
}

Verdict refused(std::string reason) {
  Verdict verdict;
  verdict.action = Action::split;
  verdict.reason = std::move(reason);
  return verdict;
}

}  // namespace

Result<StorageCredential> parse_storage_credential(std::string_view json) {
  namespace dom = simdjson::dom;
  dom::parser parser;
  dom::element info;
  std::string_view kind, url;
  if (parser.parse(json.data(), json.size()).at_key("credential_info").get(info) != simdjson::SUCCESS ||
      info.at_key("signed_uri").get_string().get(url) != simdjson::SUCCESS ||
      info.at_key("type").get_string().get(kind) != simdjson::SUCCESS)
    return fail(ErrorKind::invalid_input,
                "the workspace's answer holds no credential_info with signed_uri and type");
  StorageCredential credential{std::string(kind), std::string(url), {}};
  dom::array headers;
  if (info.at_key("headers").get_array().get(headers) == simdjson::SUCCESS) {
    for (const dom::element header : headers) {
      std::string_view name, value;
      if (header.at_key("name").get_string().get(name) == simdjson::SUCCESS &&
          header.at_key("value").get_string().get(value) == simdjson::SUCCESS)
        credential.headers.emplace_back(name, value);
    }
  }
  return credential;
}

bool is_as_safe_as(std::string_view workspace_url, std::string_view signed_url) {
  const auto has_tls = [](std::string_view url) {
    constexpr std::string_view kScheme = "https://";
    return url.size() > kScheme.size() && strncasecmp(url.data(), kScheme.data(), kScheme.size()) == 0;
  };
  return has_tls(signed_url) || !has_tls(workspace_url);
}

std::vector<net::HttpRequest> upload_requests(const StorageCredential& credential, std::string body,
                                              std::string_view block_id) {
  if (credential.kind == "AZURE_SAS_URI") return azure_blob(credential, std::move(body), block_id);
  if (credential.kind == "AZURE_ADLS_GEN2_SAS_URI") return azure_lake(credential, std::move(body));
  std::vector<net::HttpRequest> requests;
  if (credential.kind == "AWS_PRESIGNED_URL" || credential.kind == "GCP_SIGNED_URL")
    requests.push_back(request_of(credential, "PUT", credential.url, std::move(body)));
  return requests;
}

asio::awaitable<Verdict> DatabricksStorage::upload_once(const StorageCredential& credential,
                                                        const std::string& body, Tries tries) {
  auto requests = upload_requests(credential, body, mint_trace_id().hex());
  if (requests.empty())
    co_return refused(fmt::format(
        "the workspace hands out storage of kind {}, which this version cannot write to", credential.kind));
  Verdict verdict;
  for (net::HttpRequest& request : requests) {
    request.timeout = context_.settings.timeout;
    verdict = co_await calls_.send(Surface::storage, std::move(request), tries);
    if (verdict.action != Action::done) break;
  }
  co_return verdict;
}

asio::awaitable<Verdict> DatabricksStorage::download_once(const StorageCredential& credential) {
  net::HttpRequest request = request_of(credential, "GET", credential.url, {});
  request.timeout = context_.settings.timeout;
  request.max_response_bytes = kMaxFileBytes;
  Verdict verdict = co_await calls_.send(Surface::storage, std::move(request));
  if (verdict.status != 404) co_return verdict;
  Verdict none;
  none.action = Action::done;
  none.status = 404;
  co_return none;
}

asio::awaitable<Verdict> DatabricksStorage::transfer(const TraceId& trace, const std::string* upload,
                                                     std::optional<Time> not_after) {
  net::Backoff backoff({}, uniform_random);
  int bad_requests = 0;
  for (int n = 1;; ++n) {
    const Verdict given = co_await calls_.credentials(
        trace, upload != nullptr ? TraceCalls::Way::upload : TraceCalls::Way::download, path_);
    if (given.action != Action::done) co_return given;
    const auto credential = parse_storage_credential(given.response.body);
    if (!credential) co_return refused(credential.error().sentence);
    if (!is_as_safe_as(context_.settings.url, credential->url))
      co_return refused("the workspace hands out a storage URL that is not https://, which is not used");
    if (not_after && std::chrono::steady_clock::now() >= *not_after) {
      Verdict late;
      late.action = Action::again;
      co_return late;
    }
    Verdict verdict = upload != nullptr ? co_await upload_once(*credential, *upload,
                                                               not_after ? Tries::one : Tries::endless)
                                        : co_await download_once(*credential);
    if (verdict.action == Action::halve)
      verdict.reason = fmt::format("the storage does not take a span file of {} bytes: {}",
                                   upload != nullptr ? upload->size() : 0, verdict.reason);
    if (verdict.action != Action::new_url) co_return verdict;
    if (verdict.status == 400 && ++bad_requests >= kMaxBadRequests) {
      verdict.action = Action::split;
      co_return verdict;
    }
    if (n < kAtOnce) continue;
    context_.sender.health().enter(
        DestinationState::retrying,
        fmt::format("the storage refuses the signed URLs of the workspace, fresh ones too: {}",
                    verdict.reason));
    if (!co_await calls_.sleeps().sleep(backoff.next())) co_return Verdict{};
  }
}

asio::awaitable<Verdict> DatabricksStorage::upload(const TraceId& trace, std::string body,
                                                   std::optional<Time> not_after) {
  co_return co_await transfer(trace, &body, not_after);
}

asio::awaitable<Verdict> DatabricksStorage::download(const TraceId& trace) {
  co_return co_await transfer(trace, nullptr, std::nullopt);
}

}  // namespace spanferry::uploader
