#pragma once
// What an entry has to pass before it can be claimed, one gate for each of its concurrency keys,
// for its tenant and for the queue as a whole: how many may be claimed at once, and how many may
// start in a period. Pure.
//
// A slot belongs to a claim and ends with it, however it ends: acknowledged, released, or its lease
// run out. So a worker that dies leaks none.
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "broker/rate_limiter.h"

namespace drover::broker {

struct GateLimit {
  std::optional<std::int64_t> concurrency_max;
  std::optional<RateLimit> rate;
  friend bool operator==(GateLimit const&, GateLimit const&) = default;
};

struct TenantLimit {
  std::int64_t weight = 1;  // its share, beside that of others: 1 to 1000
  GateLimit limit;
  friend bool operator==(TenantLimit const&, TenantLimit const&) = default;
};

// What is configured. A limit of a key here stands in place of what entries say.
struct QueueLimits {
  GateLimit global;
  TenantLimit tenant;  // each one that is not named
  std::map<std::string, TenantLimit> tenants;
  std::map<std::string, GateLimit> keys;

  [[nodiscard]] TenantLimit const& of_tenant(std::string const& name) const;
  [[nodiscard]] GateLimit of_key(std::string const& name) const;
  friend bool operator==(QueueLimits const&, QueueLimits const&) = default;
};

[[nodiscard]] Status check_limits(QueueLimits const& limits);

class Gate {
 public:
  // `started`: of the process, see TokenBucket.
  Gate(GateLimit const& limit, BootTime started);

  // An entry in the queue says how many may be claimed at once. Of several such numbers the lowest
  // holds, which a restart finds again.
  void want(std::int64_t concurrency_max);
  void unwant(std::int64_t concurrency_max);

  [[nodiscard]] bool full() const;
  [[nodiscard]] bool open(BootTime now) const { return !full() && has_token(now); }
  [[nodiscard]] bool has_token(BootTime now) const { return !tokens_ || tokens_->has(now); }
  // When there is a token again; only for a gate with a rate.
  [[nodiscard]] BootTime next_token() const { return tokens_->next(); }

  // A claim; the gate is open.
  void take(BootTime now);
  // A claim that was there before the gate: holds its slot, also above the limit, and no token.
  void hold() { ++claimed_; }
  // Of an earlier gate with the same rate.
  void keep_tokens(Gate const& earlier) { tokens_ = earlier.tokens_; }
  // The claim has ended.
  void give_back();

  [[nodiscard]] std::int64_t claimed() const { return claimed_; }
  // Nothing would be lost if it were made anew.
  [[nodiscard]] bool even(BootTime now) const;
  // For a gate that nobody uses: when it may be forgotten.
  [[nodiscard]] std::optional<BootTime> even_at() const;

 private:
  std::optional<std::int64_t> configured_max_;
  std::map<std::int64_t, std::int64_t> wanted_;  // how many entries say so
  std::optional<TokenBucket> tokens_;
  std::int64_t claimed_ = 0;
};

}  // namespace drover::broker
