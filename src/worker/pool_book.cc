#include "worker/pool_book.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "contract/schemas.h"
#include "os/files.h"

namespace drover::worker {

namespace {

// The readers trust the schema.
Result<PoolSettings> pool_of(json::object const& object) {
  PoolSettings pool;
  if (auto const* const mode = object.if_contains("mode")) {
    auto parsed = parse_worker_mode(mode->get_string());
    if (!parsed) return std::unexpected(parsed.error());
    pool.mode = *parsed;
  }
  if (auto const* const types = object.if_contains("task_types"))
    for (json::value const& type : types->get_array())
      pool.task_types.emplace_back(type.get_string());
  if (auto const* const labels = object.if_contains("labels"))
    for (auto const& label : labels->get_object())
      pool.labels.emplace(label.key(), label.value().get_string());
  return pool;
}

// What the pools that say something of it agree on; `none` where none does.
template <class T>
Result<T> agreed(WorkerCard const& card, Pools const& pools, T PoolSettings::* member,
                 T const& none, std::string_view option) {
  std::string said_by;
  T said = none;
  for (std::string const& name : card.filter.pools) {
    auto const pool = pools.find(name);
    if (pool == pools.end() || pool->second.*member == none) continue;
    if (!said_by.empty() && pool->second.*member != said)
      return fail_next(ErrorCode::conflict,
                       fmt::format("the pools {} and {} say different things of their workers' {}",
                                   said_by, name, option),
                       fmt::format("give the worker --{}, or one of the pools alone", option));
    said_by = name;
    said = pool->second.*member;
  }
  return said;
}

}  // namespace

Result<Pools> parse_pools(json::value const& value) {
  DROVER_TRY(contract::check(contract::Contract::pool, "poolBook", value));
  Pools pools;
  auto const* const all = value.get_object().if_contains("pools");
  if (all == nullptr) return pools;
  for (auto const& member : all->get_object()) {
    auto pool = pool_of(member.value().get_object());
    if (!pool) return std::unexpected(pool.error());
    pools.emplace(member.key(), *std::move(pool));
  }
  return pools;
}

Result<WorkerCard> completed(WorkerCard card, Pools const& pools) {
  if (card.mode.empty()) {
    auto const mode = agreed(card, pools, &PoolSettings::mode, {}, "mode");
    if (!mode) return std::unexpected(mode.error());
    card.mode = to_string(mode->value_or(WorkerMode::daemon));
  }
  if (card.filter.task_types.empty()) {
    auto types = agreed(card, pools, &PoolSettings::task_types, {}, "task-type");
    if (!types) return std::unexpected(types.error());
    card.filter.task_types = *std::move(types);
  }
  if (card.filter.labels.empty()) {
    auto labels = agreed(card, pools, &PoolSettings::labels, {}, "label");
    if (!labels) return std::unexpected(labels.error());
    card.filter.labels = *std::move(labels);
  }
  if (card.mode == to_string(WorkerMode::job)) card.slots = 1;
  return card;
}

Status PoolBook::load(std::string const& state_folder) {
  std::string const toml = state_folder + "/pools.toml";
  std::string const json = state_folder + "/pools.json";
  if (os::exists(toml) && os::exists(json))
    return fail_next(ErrorCode::conflict,
                     fmt::format("{} and {} both say what pools are", toml, json),
                     "remove one of them");
  for (std::string const& path : {toml, json})
    if (os::exists(path)) DROVER_TRY(load_file(path));
  return {};
}

Status PoolBook::load_file(std::string const& path) {
  auto const text = os::read_file(path, kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  auto const value = parse_config(path, *text);
  auto pools = value ? parse_pools(*value) : std::unexpected(value.error());
  if (!pools) {
    Error error = pools.error();
    error.message = fmt::format("{}: {}", printable(path, 300), error.message);
    return std::unexpected(std::move(error));
  }
  pools_ = *std::move(pools);
  return {};
}

}  // namespace drover::worker
