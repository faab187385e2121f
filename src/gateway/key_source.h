#pragma once
// Where a credential is, and how it is shown to its server. Values.
#include <cstdint>
#include <string>
#include <vector>

namespace drover::gateway {

// Where a credential comes from. Never a value: that would be in a file with other permissions.
struct KeySource {
  enum class Kind : std::uint8_t { none, file, environment, command, credential };
  Kind kind = Kind::none;
  std::string name;               // path, variable, or the credential's name
  std::vector<std::string> argv;  // Kind::command: its standard output, trimmed
  friend bool operator==(KeySource const&, KeySource const&) = default;
};

enum class KeyHeader : std::uint8_t { x_api_key, bearer, api_key };

}  // namespace drover::gateway
