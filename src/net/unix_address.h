#pragma once
// The address of a unix socket, for paths of any length: one that does not fit sun_path goes
// through a descriptor of its folder. Keep the object until bind() or connect() has returned.
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/error.h"
#include "os/fd.h"

namespace drover::net {

class UnixAddress {
 public:
  // invalid_argument for an empty path or one with NUL.
  [[nodiscard]] static Result<UnixAddress> of(std::string const& path);

  [[nodiscard]] sockaddr const* get() const { return reinterpret_cast<sockaddr const*>(&address_); }
  [[nodiscard]] socklen_t size() const { return sizeof address_; }

 private:
  UnixAddress() = default;
  sockaddr_un address_{};
  os::Fd folder_;
};

}  // namespace drover::net
