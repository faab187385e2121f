#pragma once
// Speaks to a container engine: one request each, answers as text for engine_replies. On the event
// loop. Errors say what was tried; unavailable where no engine answers.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "base/time.h"
#include "net/http_client.h"
#include "os/blocking_pool.h"
#include "runtime/engine_address.h"

namespace drover::runtime {

class EngineClient {
 public:
  EngineClient(boost::asio::io_context& io, EngineAddress address)
      : http_(std::in_place, io), address_(std::move(address)) {}

  // Everything under way gets cancelled, and so does what comes later.
  void close() { http_.reset(); }

  // Of the paths of later calls. Empty until it is known.
  void set_version(std::string version) { version_ = std::move(version); }
  [[nodiscard]] EngineAddress const& address() const { return address_; }

  static constexpr Millis kUsualLimit{60'000};

  struct Call {
    std::string what;  // for the error, as in "list its containers"
    std::string method;
    std::string path;  // with its query, without the version
    std::string body;  // JSON; empty for none
    Millis limit = kUsualLimit;
  };
  // The body of an answer below 400.
  Task<Result<std::string>> send(Call call);
  // An answer that goes on; `limit` is for its head alone.
  Task<Result<std::unique_ptr<net::ResponseStream>>> open(Call call);

 private:
  [[nodiscard]] net::ClientRequest request_of(Call const& call) const;
  [[nodiscard]] Error unreachable(Call const& call, Error const& cause) const;

  std::optional<net::HttpClient> http_;
  EngineAddress address_;
  std::string version_;
};

}  // namespace drover::runtime
