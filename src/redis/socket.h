#pragma once
// Internal: a connection to a Redis server as bytes, over TCP, TLS or a unix socket.
// On the loop's thread only. Its owner keeps it while an operation is under way; close() ends every
// operation with an error.
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

#include "os/blocking_pool.h"
#include "redis/endpoint.h"

namespace drover::redis {

class Socket {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Socket>> create(
      boost::asio::any_io_executor const& loop, Endpoint const& endpoint);
  virtual ~Socket() = default;
  // Once, first. unavailable when nobody answers, upstream when the certificate does not hold.
  virtual Task<Status> connect() = 0;
  // 0 at the peer's end.
  virtual Task<Result<std::size_t>> read(std::span<char> into) = 0;
  virtual Task<Status> write(std::string_view bytes) = 0;
  virtual void close() = 0;
};

}  // namespace drover::redis
