#pragma once
// Who pays for a model call: whoever serves it asks before the call, and says afterwards what it
// came to.
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "model/messages.h"
#include "os/blocking_pool.h"

namespace drover::gateway {

struct Amount {
  std::int64_t microdollars = 0;
  std::int64_t tokens = 0;  // of any kind
  Amount& operator+=(Amount const& other) {
    microdollars += other.microdollars;
    tokens += other.tokens;
    return *this;
  }
  Amount& operator-=(Amount const& other) {
    microdollars -= other.microdollars;
    tokens -= other.tokens;
    return *this;
  }
  friend bool operator==(Amount const&, Amount const&) = default;
};

[[nodiscard]] inline std::int64_t tokens_of(model::Usage const& usage) {
  return usage.input + usage.output + usage.cache_read + usage.cache_write_5m +
         usage.cache_write_1h;
}

// What a call may come to at the most.
struct Estimate {
  Amount amount;
  bool priced = true;  // false: nobody knows what it costs
};

// For one call. On the event loop.
class CallAccount {
 public:
  virtual ~CallAccount() = default;
  // Awaited before anything is sent upstream; an error refuses the call, and then settle() is not
  // called. budget_exhausted names the limit. Whatever becomes of this process, what was reserved
  // counts as spent.
  virtual Task<Status> reserve(Estimate estimate) = 0;
  // In place of the reservation. Once, also where the call was cancelled.
  virtual void settle(model::Usage const& usage, Amount actual) = 0;
};

}  // namespace drover::gateway
