#pragma once
// A Lua script that Redis runs in one step, sent by its digest and whole only where Redis does not
// have it yet (after a restart, a flush, a failover).
#include <string>
#include <string_view>
#include <vector>

#include "redis/reply.h"

namespace drover::redis {

class Script {
 public:
  explicit Script(std::string_view text);

  struct Call {
    std::vector<std::string> keys;
    std::vector<std::string> arguments;
  };
  [[nodiscard]] Command by_digest(Call const& call) const;
  [[nodiscard]] Command whole(Call const& call) const;

 private:
  std::string text_;
  std::string digest_;  // SHA-1 in hex, as Redis names it
};

}  // namespace drover::redis
