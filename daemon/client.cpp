#include "daemon/client.hpp"

#include <cerrno>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/secret_file.hpp"

namespace spanferry::daemon {
namespace {

constexpr long kConnectTimeoutMs = 2'000;
constexpr std::size_t kMaxAnswerBytes = 64U << 20;
constexpr std::size_t kMaxDatagramBytes = 65'507;

struct CurlHandles {
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy{curl_easy_init(), curl_easy_cleanup};
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{nullptr, curl_slist_free_all};

  void add_header(const std::string& line) {
    if (auto* longer = curl_slist_append(headers.get(), line.c_str())) {
      headers.release();
      headers.reset(longer);
    }
  }
};

std::size_t collect(char* data, std::size_t, std::size_t size, void* into) {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size > kMaxAnswerBytes) return 0;  // ends the transfer with CURLE_WRITE_ERROR
  body.append(data, size);
  return size;
}

Result<std::string> token_of(const DaemonAddress& daemon) {
  if (daemon.token_file.empty()) return std::string{};
  auto token = net::read_secret(daemon.token_file);
  if (!token) return std::unexpected(token.error().in("listen.token_file"));
  return token;
}

Error transport_error(CURLcode code, const DaemonAddress& daemon) {
  if (code == CURLE_COULDNT_CONNECT)
    return {
        ErrorKind::unavailable,
        fmt::format("no daemon answers at {}. Is it running? Try `systemctl status spanferry`, or `spanferry "
                    "run`; if it listens elsewhere, say where with --address",
                    daemon.http)};
  if (code == CURLE_OPERATION_TIMEDOUT)
    return {ErrorKind::timeout, fmt::format("the daemon at {} did not answer in time", daemon.http)};
  if (code == CURLE_WRITE_ERROR)
    return {ErrorKind::too_large,
            fmt::format("the answer of {} is larger than {} bytes", daemon.http, kMaxAnswerBytes)};
  return {ErrorKind::io, fmt::format("asking {}: {}", daemon.http, curl_easy_strerror(code))};
}

Result<Answer> perform(CurlHandles& curl, const DaemonAddress& daemon, const std::string& path) {
  const auto token = token_of(daemon);
  if (!token) return std::unexpected(token.error());
  if (!token->empty()) curl.add_header(fmt::format("Authorization: Bearer {}", *token));
  Answer answer;
  CURL* easy = curl.easy.get();
  const auto url = fmt::format("http://{}{}", daemon.http, path);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP));
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(daemon.patience.count()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, curl.headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "spanferry-cli/" SPANFERRY_VERSION);
  if (const auto code = curl_easy_perform(easy); code != CURLE_OK)
    return std::unexpected(transport_error(code, daemon));
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  return answer;
}

}  // namespace

Result<Answer> get(const DaemonAddress& daemon, const std::string& path_and_query) {
  CurlHandles curl;
  if (!curl.easy) return fail(ErrorKind::internal, "libcurl gives no handle");
  return perform(curl, daemon, path_and_query);
}

Result<Answer> post(const DaemonAddress& daemon, const std::string& path, std::string_view content_type,
                    std::string_view body) {
  CurlHandles curl;
  if (!curl.easy) return fail(ErrorKind::internal, "libcurl gives no handle");
  curl.add_header(fmt::format("Content-Type: {}", content_type));
  curl_easy_setopt(curl.easy.get(), CURLOPT_POST, 1L);
  curl_easy_setopt(curl.easy.get(), CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl.easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  return perform(curl, daemon, path);
}

Result<Answer> call(const DaemonAddress& daemon, const std::string& method, const std::string& path) {
  CurlHandles curl;
  if (!curl.easy) return fail(ErrorKind::internal, "libcurl gives no handle");
  if (method == "POST") {
    curl_easy_setopt(curl.easy.get(), CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(curl.easy.get(), CURLOPT_POSTFIELDSIZE, 0L);
  } else {
    curl_easy_setopt(curl.easy.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  return perform(curl, daemon, path);
}

Result<> send_datagram(const DaemonAddress& daemon, std::string_view bytes) {
  if (daemon.udp.empty()) return fail(ErrorKind::configuration, "listen.udp is off");
  if (bytes.size() > kMaxDatagramBytes)
    return fail(ErrorKind::too_large,
                fmt::format("{} bytes do not fit a datagram (at most {}); send it without --udp",
                            bytes.size(), kMaxDatagramBytes));
  const auto colon = daemon.udp.rfind(':');
  const auto host = daemon.udp.substr(0, colon);
  const auto port =
      htons(static_cast<std::uint16_t>(std::strtoul(daemon.udp.c_str() + colon + 1, nullptr, 10)));
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = port, .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  const bool is_v6 = host.starts_with('[') && host.size() > 2;
  if ((is_v6 ? ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr)
             : ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr)) != 1)
    return fail(ErrorKind::configuration,
                fmt::format("'{}' is not an address like 127.0.0.1:4319", daemon.udp));
  const int socket = ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return fail(ErrorKind::io, fmt::format("no socket: {}", std::strerror(errno)));
  const auto sent =
      ::sendto(socket, bytes.data(), bytes.size(), 0,
               is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4),
               is_v6 ? sizeof v6 : sizeof v4);
  const int error = errno;
  ::close(socket);
  if (sent != static_cast<ssize_t>(bytes.size()))
    return fail(ErrorKind::io, fmt::format("sending to {}: {}", daemon.udp, std::strerror(error)));
  return {};
}

std::string reachable(std::string_view listening) {
  if (listening.starts_with("0.0.0.0:")) return fmt::format("127.0.0.1{}", listening.substr(7));
  if (listening.starts_with("[::]:")) return fmt::format("[::1]{}", listening.substr(4));
  return std::string(listening);
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace spanferry::daemon
