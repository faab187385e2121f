// HTTPS against a server with a certificate that it signed itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "base/freed.h"
#include "net/http_client.h"
#include "net/test_server.h"
#include "net/test_socket.h"

namespace drover::net {
namespace {

using ::testing::HasSubstr;

using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freed<SSL_free>>;

Certificate certificate_for(std::string const& host, EVP_PKEY* key) {
  Certificate made{X509_new()};
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key);
  X509_NAME* const name = X509_get_subject_name(made.get());
  auto const* const text = reinterpret_cast<unsigned char const*>(host.c_str());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  std::string const alternative = "DNS:" + host;
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative.c_str());
  X509_add_ext(made.get(), extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(made.get(), key, EVP_sha256());
  return made;
}

std::string to_pem(X509* certificate) {
  std::unique_ptr<BIO, Freed<BIO_free_all>> const memory{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(memory.get(), certificate);
  char* data = nullptr;
  auto const size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Context context_with(X509* certificate, EVP_PKEY* key) {
  Context context{SSL_CTX_new(TLS_server_method())};
  SSL_CTX_use_certificate(context.get(), certificate);
  SSL_CTX_use_PrivateKey(context.get(), key);
  return context;
}

class HttpsServer {
 public:
  explicit HttpsServer(std::string const& host)
      : key_(EVP_EC_gen("P-256")),
        certificate_(certificate_for(host, key_.get())),
        context_(context_with(certificate_.get(), key_.get())),
        server_([this](RawSocket& peer, int) { answer(peer); }) {
    // OpenSSL writes with write(): a client that hangs up would end the test.
    ::signal(SIGPIPE, SIG_IGN);
  }
  [[nodiscard]] std::string pem() const { return to_pem(certificate_.get()); }
  // By name, so that the name is checked.
  [[nodiscard]] std::string url() const {
    return fmt::format("https://localhost:{}/v1", server_.port());
  }

 private:
  void answer(RawSocket& peer) {
    Connection const ssl{SSL_new(context_.get())};
    SSL_set_fd(ssl.get(), peer.fd());
    if (SSL_accept(ssl.get()) != 1) return;
    char request[4096];
    if (SSL_read(ssl.get(), request, sizeof request) <= 0) return;
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsealed";
    SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
    SSL_shutdown(ssl.get());
  }
  Key key_;
  Certificate certificate_;
  Context context_;
  RawServer server_;  // last: its thread uses the others
};

Result<HttpResponse> get(std::string const& url, std::string const& ca_file) {
  LoopThread loop;
  auto client = loop.call([&] { return std::make_unique<HttpClient>(loop.io); });
  ClientRequest request{.url = url};
  request.ca_file = ca_file;
  auto response = loop.wait_for(client->send(std::move(request)));
  loop.call([&] { client.reset(); });
  return response;
}

TEST(HttpClientTls, TrustsWhatItIsTold) {
  HttpsServer const server{"localhost"};
  TestFolder const folder;
  std::string const trusted = folder / "ca.pem";
  ASSERT_TRUE(os::write_file_atomic(trusted, server.pem()));
  auto const response = get(server.url(), trusted);
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(response->body, "sealed");
}

TEST(HttpClientTls, RefusesACertificateThatNobodyVouchesFor) {
  HttpsServer const server{"localhost"};
  auto const response = get(server.url(), "");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::upstream);
  EXPECT_THAT(response.error().text(), HasSubstr("certificate"));
}

TEST(HttpClientTls, RefusesACertificateForAnotherName) {
  HttpsServer const server{"elsewhere.example"};
  TestFolder const folder;
  std::string const trusted = folder / "ca.pem";
  ASSERT_TRUE(os::write_file_atomic(trusted, server.pem()));
  auto const response = get(server.url(), trusted);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::upstream);
  EXPECT_THAT(response.error().text(), HasSubstr("localhost"));
}

TEST(HttpClientTls, SaysWhichFileOfCertificatesIsMissing) {
  HttpsServer const server{"localhost"};
  auto const response = get(server.url(), "/nowhere/ca.pem");
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().text(), HasSubstr("/nowhere/ca.pem"));
}

}  // namespace
}  // namespace drover::net
