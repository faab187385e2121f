#pragma once
// The values of credentials, from where the configuration says they are. Blocks: for the start, and
// for a pool's thread.
#include <map>
#include <string>

#include "base/error.h"
#include "base/secret.h"
#include "gateway/gateway_config.h"

namespace drover::gateway {

// Variables of the environment that hold credentials, taken out of it while the process has one
// thread.
class TakenVariables {
 public:
  // The variable is gone afterwards, also from /proc/self/environ, which shows the memory that the
  // process was started with. Empty where there is none.
  Secret take(std::string const& name);
  // One that was taken; else empty.
  [[nodiscard]] Secret find(std::string const& name) const;

 private:
  std::map<std::string, Secret> taken_;
};

// An error names the source, never what is in it. Kind::none is an empty key: some upstreams on
// one's own machine want none.
[[nodiscard]] Result<Secret> read_credential(KeySource const& source,
                                             TakenVariables const& variables);

}  // namespace drover::gateway
