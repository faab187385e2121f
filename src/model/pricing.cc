#include "model/pricing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <boost/json.hpp>

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
    // Nothing is asked there for writing to the cache beyond the input itself.
    Row{"gpt-5", {1250, 10000, 125, 1250, 1250}},
    Row{"gpt-5-mini", {250, 2000, 25, 250, 250}},
    Row{"gpt-5-nano", {50, 400, 5, 50, 50}},
    Row{"gpt-4.1", {2000, 8000, 500, 2000, 2000}},
    Row{"gpt-4.1-mini", {400, 1600, 100, 400, 400}},
    Row{"gpt-4.1-nano", {100, 400, 25, 100, 100}},
    Row{"gpt-4o", {2500, 10000, 1250, 2500, 2500}},
    Row{"gpt-4o-mini", {150, 600, 75, 150, 150}},
    Row{"o3", {2000, 8000, 500, 2000, 2000}},
    Row{"o4-mini", {1100, 4400, 275, 1100, 1100}},
};

// A million million dollars: sums of several still fit.
constexpr std::int64_t kCostMax = 1'000'000'000'000'000'000;

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
  for (std::string_view const provider : {"anthropic/", "openai/"})
    if (model.starts_with(provider)) model.remove_prefix(provider.size());
  Row const* best = nullptr;
  for (Row const& row : kRows) {
    if (!model.starts_with(row.prefix)) continue;
    if (best == nullptr || row.prefix.size() > best->prefix.size()) best = &row;
  }
  if (best == nullptr) return {};
  return best->price;
}

Result<PriceTable> PriceTable::parse(json::value const& value) {
  auto const root = JsonObject::of(value);
  if (!root) return std::unexpected(root.error());
  for (auto const& member : root->raw())
    if (member.key() != "date" && member.key() != "models")
      return fail(ErrorCode::invalid_argument,
                  "{}: there is no such member; known are date, models",
                  root->pointer_to(member.key()));
  PriceTable table;
  if (root->find("models") == nullptr) return table;
  auto const models = root->object("models");
  if (!models) return std::unexpected(models.error());
  if (models->raw().size() > kRowsMax)
    return fail(ErrorCode::invalid_argument, "/models: at most {}", kRowsMax);
  for (auto const& member : models->raw()) {
    auto const row = models->object(member.key());
    if (!row) return std::unexpected(row.error());
    auto const price = parse_price(*row);
    if (!price) return std::unexpected(price.error());
    table.rows_.emplace(std::string{member.key()}, *price);
  }
  return table;
}

std::optional<Price> PriceTable::find(std::string_view model) const {
  Price const* best = nullptr;
  std::size_t longest = 0;
  for (auto const& [prefix, price] : rows_) {
    if (!model.starts_with(prefix) || (best != nullptr && prefix.size() < longest)) continue;
    best = &price;
    longest = prefix.size();
  }
  return best == nullptr ? find_price(model) : std::optional{*best};
}

std::int64_t cost_microdollars(Price const& price, Usage const& usage) {
  __extension__ using Wide = __int128;
  Wide nano = 0;
  for (auto const& [tokens, each] : {std::pair{usage.input, price.input},
                                     {usage.output, price.output},
                                     {usage.cache_read, price.cache_read},
                                     {usage.cache_write_5m, price.cache_write_5m},
                                     {usage.cache_write_1h, price.cache_write_1h}})
    nano += static_cast<Wide>(std::max<std::int64_t>(tokens, 0)) * each;
  Wide const micro = (nano + 999) / 1000;
  return static_cast<std::int64_t>(std::min<Wide>(micro, kCostMax));
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
