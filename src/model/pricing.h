#pragma once
// What tokens cost. Pure; safe from any thread. The built-in table is a dated snapshot of public
// list prices: whoever is billed otherwise passes a Price of their own.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "model/messages.h"

namespace drover::model {

// The day on which the built-in table was last compared with the public list. OpenAI's rows are
// older, of 2025-08-07.
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

// The longest model-name prefix in the table, after a leading "anthropic/" or "openai/". nullopt
// for an unknown model: its cost is unknown, not zero.
[[nodiscard]] std::optional<Price> find_price(std::string_view model);

// The built-in table under one's own rows.
class PriceTable {
 public:
  static constexpr std::size_t kRowsMax = 4096;

  // {"date":"2026-11-01","models":{"<prefix>":{"input":3,"output":15,…}}}; the date is of the
  // reader's own keeping. The error names the JSON pointer.
  [[nodiscard]] static Result<PriceTable> parse(json::value const& value);
  // The longest prefix among one's own rows; else find_price().
  [[nodiscard]] std::optional<Price> find(std::string_view model) const;

 private:
  std::map<std::string, Price, std::less<>> rows_;
};

// Micro-dollars, rounded up, so that a budget is never passed by rounding. Counters below zero are
// zero, and no cost is above a million million dollars: an upstream's word is not trusted.
[[nodiscard]] std::int64_t cost_microdollars(Price const& price, Usage const& usage);

// {"input":3,"output":15,"cache_read":0.3,"cache_write_5m":3.75,"cache_write_1h":6}, in US dollars
// per million tokens. Absent cache prices follow the input price by the public ratios 0.1, 1.25, 2.
[[nodiscard]] Result<Price> parse_price(JsonObject const& object);

}  // namespace drover::model
