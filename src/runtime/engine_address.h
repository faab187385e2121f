#pragma once
// Where a container engine is reached, as DOCKER_HOST says it. Pure.
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::runtime {

inline constexpr std::string_view kDockerHostUsual = "unix:///var/run/docker.sock";

struct EngineAddress {
  std::string text{};         // as it was given, for people
  std::string url{};          // what requests begin with, without a slash at its end
  std::string unix_socket{};  // empty over TCP
  std::string ca_file{};      // of TLS, below the folder of certificates
  std::string certificate_file{};
  std::string key_file{};
};

// unix:///path, tcp://host:port, http://host:port, https://host:port. `certificates` is a folder
// with ca.pem, cert.pem and key.pem (DOCKER_CERT_PATH), empty for none: with it TCP is TLS. An
// engine is root on its machine, so without TLS it is refused anywhere but on this one.
[[nodiscard]] Result<EngineAddress> parse_engine_address(std::string_view host,
                                                         std::string_view certificates);

}  // namespace drover::runtime
