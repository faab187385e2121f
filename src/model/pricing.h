#pragma once
// What tokens cost. Pure; safe from any thread. The built-in table is a dated snapshot of public
// list prices: whoever is billed otherwise passes a Price of their own.
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "model/messages.h"

namespace drover::model {

// The day on which the built-in table was last compared with the public list.
inline constexpr std::string_view kPriceTableDate = "2026-04-27";

// Nano-dollars per token, which is US dollars per million tokens times 1000.
struct Price {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  friend bool operator==(Price const&, Price const&) = default;
};

// The longest model-name prefix in the table, after a leading "anthropic/". nullopt for an unknown
// model: its cost is unknown, not zero.
[[nodiscard]] std::optional<Price> find_price(std::string_view model);

// Micro-dollars, rounded up, so that a budget is never passed by rounding.
[[nodiscard]] std::int64_t cost_microdollars(Price const& price, Usage const& usage);

// {"input":3,"output":15,"cache_read":0.3,"cache_write_5m":3.75,"cache_write_1h":6}, in US dollars
// per million tokens. Absent cache prices follow the input price by the public ratios 0.1, 1.25, 2.
[[nodiscard]] Result<Price> parse_price(JsonObject const& object);

}  // namespace drover::model
