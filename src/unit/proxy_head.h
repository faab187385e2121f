#pragma once
// The head of a request to an HTTP proxy: where it wants to go, and what is sent there. Pure.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::unit {

inline constexpr std::size_t kProxyHeadBytesMax = std::size_t{64} << 10U;

struct ProxyHead {
  std::string target;    // "example.org:443"
  std::string forward;   // what the host is sent first; empty for CONNECT, which passes all bytes
  std::size_t size = 0;  // of the head in the bytes given
};

// nullopt while its end has not come. CONNECT, or an absolute http:// address, which is sent on
// with its path and with `Connection: close`, so that each request has a connection of its own. An
// error where it is neither, or too large.
[[nodiscard]] Result<std::optional<ProxyHead>> read_proxy_head(std::string_view bytes);

}  // namespace drover::unit
