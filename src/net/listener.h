#pragma once
// Internal to the server: listening sockets.
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "os/fd.h"

namespace drover::net {

struct TcpListener {
  os::Fd fd;
  std::uint16_t port = 0;
};
[[nodiscard]] Result<TcpListener> open_tcp_listener(std::string const& host, std::uint16_t port);

// Removes its socket file with the object, unless another has taken the place.
class UnixListener {
 public:
  [[nodiscard]] static Result<UnixListener> open(std::string const& path, mode_t mode);
  UnixListener() = default;
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener() { remove_file(); }

  os::Fd fd;

 private:
  void remove_file();
  std::string path_;  // empty: nothing to remove
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace drover::net
