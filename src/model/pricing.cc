#include "model/pricing.h"

#include <array>
#include <cmath>

namespace drover::model {

namespace {

struct Row {
  std::string_view prefix;
  Price price;
};

// Input, output, cache read, cache write for 5 minutes, for 1 hour.
constexpr std::array kRows = {
    Row{"claude-opus-4-7", {5000, 25000, 500, 6250, 10000}},
    Row{"claude-opus-4-6", {5000, 25000, 500, 6250, 10000}},
    Row{"claude-opus-4-5", {5000, 25000, 500, 6250, 10000}},
    Row{"claude-opus-4", {15000, 75000, 1500, 18750, 30000}},
    Row{"claude-sonnet-4", {3000, 15000, 300, 3750, 6000}},
    Row{"claude-haiku-4-5", {1000, 5000, 100, 1250, 2000}},
    Row{"claude-3-7-sonnet", {3000, 15000, 300, 3750, 6000}},
    Row{"claude-3-5-sonnet", {3000, 15000, 300, 3750, 6000}},
    Row{"claude-3-5-haiku", {800, 4000, 80, 1000, 1600}},
    Row{"claude-3-opus", {15000, 75000, 1500, 18750, 30000}},
    Row{"claude-3-haiku", {250, 1250, 30, 300, 500}},
};

constexpr double kUsdPerMillionMax = 1'000'000.0;

Result<std::optional<std::int64_t>> nanodollars(JsonObject const& object, std::string_view key) {
  auto const usd = object.optional_number(key);
  if (!usd) return std::unexpected(usd.error());
  if (!*usd) return std::nullopt;
  if (**usd < 0.0 || **usd > kUsdPerMillionMax)
    return fail(ErrorCode::invalid_argument,
                "{}: expected US dollars per million tokens from 0 to {}", object.pointer_to(key),
                kUsdPerMillionMax);
  return static_cast<std::int64_t>(std::llround(**usd * 1000.0));
}

}  // namespace

std::optional<Price> find_price(std::string_view model) {
  constexpr std::string_view kProvider = "anthropic/";
  if (model.starts_with(kProvider)) model.remove_prefix(kProvider.size());
  Row const* best = nullptr;
  for (Row const& row : kRows) {
    if (!model.starts_with(row.prefix)) continue;
    if (best == nullptr || row.prefix.size() > best->prefix.size()) best = &row;
  }
  if (best == nullptr) return {};
  return best->price;
}

std::int64_t cost_microdollars(Price const& price, Usage const& usage) {
  std::int64_t const nano = usage.input * price.input + usage.output * price.output +
                            usage.cache_read * price.cache_read +
                            usage.cache_write_5m * price.cache_write_5m +
                            usage.cache_write_1h * price.cache_write_1h;
  return (nano + 999) / 1000;
}

Result<Price> parse_price(JsonObject const& object) {
  auto const input = nanodollars(object, "input");
  if (!input) return std::unexpected(input.error());
  auto const output = nanodollars(object, "output");
  if (!output) return std::unexpected(output.error());
  auto const read = nanodollars(object, "cache_read");
  if (!read) return std::unexpected(read.error());
  auto const write_5m = nanodollars(object, "cache_write_5m");
  if (!write_5m) return std::unexpected(write_5m.error());
  auto const write_1h = nanodollars(object, "cache_write_1h");
  if (!write_1h) return std::unexpected(write_1h.error());
  Price price;
  price.input = input->value_or(0);
  price.output = output->value_or(0);
  price.cache_read = read->value_or(price.input / 10);
  price.cache_write_5m = write_5m->value_or(price.input * 5 / 4);
  price.cache_write_1h = write_1h->value_or(price.input * 2);
  return price;
}

}  // namespace drover::model
