#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <boost/asio/ssl.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/http_client.hpp"
#include "tests/unit/net/certificates.hpp"
#include "tests/unit/net/scripted_server.hpp"

namespace spanferry::net {
namespace {

using spanferry::testing::Authority;
using spanferry::testing::Certificate;
using spanferry::testing::run;
namespace asio = boost::asio;
using Result = std::expected<HttpResponse, TransportError>;

// Answers every request with 200 "ok", over TLS.
class TlsServer {
 public:
  // `clients_of`: the authority whose certificates it wants to see, if any.
  TlsServer(asio::io_context& io, const Certificate& certificate, const std::string& clients_of = "",
            bool only_tls_1_2 = false)
      : context_(asio::ssl::context::tls_server), acceptor_(io, {asio::ip::make_address("127.0.0.1"), 0}) {
    if (!clients_of.empty()) {
      context_.add_certificate_authority(asio::buffer(clients_of));
      context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    if (only_tls_1_2) context_.set_options(asio::ssl::context::no_tlsv1_3);
    context_.use_certificate_chain(asio::buffer(certificate.certificate_pem));
    context_.use_private_key(asio::buffer(certificate.key_pem), asio::ssl::context::pem);
    asio::co_spawn(io, accept(), asio::detached);
  }
  [[nodiscard]] std::string url(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }

 private:
  using Stream = asio::ssl::stream<asio::ip::tcp::socket>;

  asio::awaitable<void> accept() {
    for (;;) {
      const auto token = asio::as_tuple(asio::use_awaitable);
      auto [ec, socket] = co_await acceptor_.async_accept(token);
      if (ec) co_return;
      asio::co_spawn(acceptor_.get_executor(), serve(Stream(std::move(socket), context_)), asio::detached);
    }
  }
  static asio::awaitable<void> serve(Stream stream) {
    const auto token = asio::as_tuple(asio::use_awaitable);
    if (std::get<0>(co_await stream.async_handshake(asio::ssl::stream_base::server, token))) co_return;
    std::string buffer;
    const auto [ec, n] =
        co_await asio::async_read_until(stream, asio::dynamic_buffer(buffer), "\r\n\r\n", token);
    if (ec) co_return;
    const std::string text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    co_await asio::async_write(stream, asio::buffer(text), token);
    co_await stream.async_shutdown(token);
  }

  asio::ssl::context context_;
  asio::ip::tcp::acceptor acceptor_;
};

class HttpClientTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("spanferry-tls-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    ca_file_ = (directory_ / "ca.pem").string();
    std::ofstream(ca_file_) << authority_.pem();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Result get(const Certificate& certificate, const std::string& ca_file,
             const std::string& host = "127.0.0.1") {
    asio::io_context io;
    TlsServer server(io, certificate);
    HttpClient client(io, TlsSettings{ca_file}, "spanferry/test");
    HttpRequest request;
    request.method = "GET";
    request.url = server.url(host);
    auto result = run(io, client.perform(std::move(request)));
    return result ? *std::move(result)
                  : std::unexpected(TransportError{TransportFailure::timeout, false, "the test's own limit"});
  }

  Authority authority_;
  std::filesystem::path directory_;
  std::string ca_file_;
};

TEST_F(HttpClientTlsTest, TrustsTheAuthoritiesOfItsFile) {
  const Result result = get(authority_.issue("127.0.0.1"), ca_file_);
  ASSERT_TRUE(result.has_value()) << result.error().sentence;
  EXPECT_EQ(result->body, "ok");
}

TEST_F(HttpClientTlsTest, TrustsTheAuthoritiesOfSslCertFile) {
  ::setenv("SSL_CERT_FILE", ca_file_.c_str(), 1);
  const Result result = get(authority_.issue("127.0.0.1"), "");
  ::unsetenv("SSL_CERT_FILE");
  ASSERT_TRUE(result.has_value()) << result.error().sentence;
}

TEST_F(HttpClientTlsTest, RefusesACertificateOfAnUnknownAuthority) {
  // One of the same name, as when somebody made theirs anew.
  const Result result = get(Authority().issue("127.0.0.1"), ca_file_);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::tls_untrusted) << result.error().sentence;
  EXPECT_FALSE(result.error().request_sent);
}

TEST_F(HttpClientTlsTest, RefusesACertificateForAnotherName) {
  for (const char* other : {"elsewhere.example", "127.0.0.2"}) {
    const Result result = get(authority_.issue(other), ca_file_);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().failure, TransportFailure::tls_hostname) << result.error().sentence;
  }
  const Result result = get(authority_.issue("elsewhere.example"), ca_file_, "localhost");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::tls_hostname) << result.error().sentence;
}

TEST_F(HttpClientTlsTest, SaysSinceWhenACertificateIsExpired) {
  const Result result = get(authority_.issue("127.0.0.1", -7200, -3600), ca_file_);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::tls_expired) << result.error().sentence;
  EXPECT_NE(result.error().sentence.find("expired at 2"), std::string::npos) << result.error().sentence;
}

TEST_F(HttpClientTlsTest, SaysFromWhenACertificateIsValid) {
  const Result result = get(authority_.issue("127.0.0.1", 3600, 7200), ca_file_);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::tls_expired) << result.error().sentence;
  EXPECT_NE(result.error().sentence.find("valid from 2"), std::string::npos) << result.error().sentence;
}

TEST_F(HttpClientTlsTest, NamesAFileOfAuthoritiesThatIsNotThere) {
  const Result result = get(authority_.issue("127.0.0.1"), "/nonexistent/ca.pem");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().failure, TransportFailure::bad_url);
  EXPECT_NE(result.error().sentence.find("/nonexistent/ca.pem"), std::string::npos)
      << result.error().sentence;
}

class ClientCertificateTest : public HttpClientTlsTest {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return (directory_ / name).string();
  }
  Result get_as(const std::string& certificate, const std::string& key, bool only_tls_1_2 = false) {
    asio::io_context io;
    TlsServer server(io, authority_.issue("127.0.0.1"), authority_.pem(), only_tls_1_2);
    HttpClient client(io, TlsSettings{ca_file_, certificate, key}, "spanferry/test");
    HttpRequest request;
    request.method = "GET";
    request.url = server.url("127.0.0.1");
    auto result = run(io, client.perform(std::move(request)));
    return result ? *std::move(result)
                  : std::unexpected(TransportError{TransportFailure::timeout, false, "the test's own limit"});
  }
};

TEST_F(ClientCertificateTest, IsShownToAServerThatWantsOne) {
  const Certificate ours = authority_.issue("me.example");
  const Result result = get_as(write("me.pem", ours.certificate_pem), write("me.key", ours.key_pem));
  ASSERT_TRUE(result.has_value()) << result.error().sentence;
  EXPECT_EQ(result->body, "ok");
  const Result together = get_as(write("both.pem", ours.key_pem + ours.certificate_pem), "");
  EXPECT_TRUE(together.has_value()) << together.error().sentence;
}

TEST_F(ClientCertificateTest, ThatIsMissingOrUnknownIsTold) {
  const Certificate stranger = Authority().issue("me.example");
  const std::string certificate = write("me.pem", stranger.certificate_pem),
                    key = write("me.key", stranger.key_pem);
  for (const bool only_tls_1_2 : {false, true}) {
    const Result unknown = get_as(certificate, key, only_tls_1_2);
    ASSERT_FALSE(unknown.has_value());
    EXPECT_EQ(unknown.error().failure, TransportFailure::tls_client) << unknown.error().sentence;
    EXPECT_NE(unknown.error().sentence.find("does not accept our certificate, or wants one"),
              std::string::npos);
  }
  const Result missing = get_as("", "");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().failure, TransportFailure::tls_client) << missing.error().sentence;
}

TEST_F(ClientCertificateTest, ThatCannotBeUsedIsTold) {
  const Certificate ours = authority_.issue("me.example"), other = authority_.issue("me.example");
  const std::string certificate = write("me.pem", ours.certificate_pem);
  for (const std::string& key :
       {write("other.key", other.key_pem), std::string("/nonexistent.key"),
        write("locked.key",
              "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE "
              "KEY-----\n")}) {
    const Result result = get_as(certificate, key);
    ASSERT_FALSE(result.has_value()) << key;
    EXPECT_EQ(result.error().failure, TransportFailure::tls_client) << result.error().sentence;
    EXPECT_NE(result.error().sentence.find("cannot be used"), std::string::npos) << result.error().sentence;
  }
}

TEST_F(HttpClientTlsTest, TellsThatTheFarSideSpeaksNoTls) {
  asio::io_context io;
  spanferry::testing::ScriptedServer server(io, [](const auto&) { return spanferry::testing::Answer{}; });
  HttpClient client(io, TlsSettings{ca_file_}, "spanferry/test");
  // Its reader waits for a blank line that a handshake does not have: any answer at all will do.
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(server.port());
  request.timeout = std::chrono::milliseconds(300);
  const auto result = run(io, client.perform(std::move(request)));
  ASSERT_TRUE(result && !result->has_value());
}

}  // namespace
}  // namespace spanferry::net
