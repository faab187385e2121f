#include "broker/dispatch_queue.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace drover::broker {

namespace {

constexpr std::size_t kNameBytesMax = 200;

bool is_name(std::string_view text) {
  auto const fits = [](char c) { return c > ' ' && c < '\x7f'; };
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, fits);
}

Status check_name(std::string_view what, std::string_view text) {
  if (is_name(text)) return {};
  return fail(ErrorCode::invalid_argument,
              "'{}' is no {}: 1 to {} printable ASCII characters without spaces", printable(text),
              what, kNameBytesMax);
}

Status check_keys(QueueEntry const& entry) {
  if (entry.keys.size() > kKeysMax)
    return fail(ErrorCode::too_large, "run {} has {} concurrency keys; the limit is {}", entry.run,
                entry.keys.size(), kKeysMax);
  std::set<std::string_view> distinct;
  for (ConcurrencyKey const& key : entry.keys) {
    DROVER_TRY(check_name("concurrency key", key.name));
    if (key.max < 1)
      return fail(ErrorCode::invalid_argument,
                  "run {} lets {} runs of the concurrency key {} go at once; it is at least 1",
                  entry.run, key.max, key.name);
    if (!distinct.insert(key.name).second)
      return fail(ErrorCode::invalid_argument, "run {} names a concurrency key twice", entry.run);
  }
  return {};
}

Status check_dedup(QueueEntry const& entry) {
  if (entry.dedup_key.empty()) return {};
  DROVER_TRY(check_name("deduplication key", entry.dedup_key));
  if (entry.dedup_life < Millis{1} || entry.dedup_life > kDedupLifeMax)
    return fail(ErrorCode::invalid_argument,
                "run {} has a deduplication life of {} ms; it is 1 to {}", entry.run,
                entry.dedup_life.count(), kDedupLifeMax.count());
  return {};
}

}  // namespace

QueueLane lane_of(QueueEntry const& entry) {
  return {.task_type = entry.task_type, .pool = entry.pool, .labels = entry.labels};
}

bool admits(ClaimFilter const& filter, QueueLane const& lane) {
  auto const has = [](std::vector<std::string> const& wanted, std::string const& one) {
    return wanted.empty() || std::ranges::find(wanted, one) != wanted.end();
  };
  return has(filter.pools, lane.pool) && has(filter.task_types, lane.task_type) &&
         has_labels(filter.labels, lane.labels);
}

std::string_view to_string(DeadReason reason) {
  switch (reason) {
    case DeadReason::attempts:
      return "attempts";
    case DeadReason::poison:
      return "poison";
    case DeadReason::rejected:
      return "rejected";
  }
  return "";
}

std::string QueueName::str() const {
  switch (kind) {
    case Kind::all:
      return "all";
    case Kind::pool:
      return "pool:" + name;
    case Kind::task_type:
      return "type:" + name;
  }
  return "";
}

Result<QueueName> QueueName::parse(std::string_view text) {
  if (text == "all") return QueueName{Kind::all, {}};
  for (auto const& [prefix, kind] :
       {std::pair{std::string_view{"pool:"}, Kind::pool}, {"type:", Kind::task_type}})
    if (text.starts_with(prefix) && is_name(text.substr(prefix.size())))
      return QueueName{kind, std::string{text.substr(prefix.size())}};
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("'{}' names no queue", printable(text, 80)),
                   "use all, pool:NAME or type:NAME");
}

Status check_entry(QueueEntry const& entry) {
  DROVER_TRY(check_name("run id", entry.run.str()));
  DROVER_TRY(check_name("task type", entry.task_type));
  DROVER_TRY(check_name("pool", entry.pool));
  DROVER_TRY(check_labels(entry.labels, kLabelsAskedMax));
  if (!entry.tenant.empty()) DROVER_TRY(check_name("tenant", entry.tenant));
  DROVER_TRY(check_keys(entry));
  DROVER_TRY(check_retry_policy(entry.retry));
  DROVER_TRY(check_dedup(entry));
  if (entry.lost_max < 1)
    return fail(ErrorCode::invalid_argument, "run {} has lost_max {}; it is at least 1", entry.run,
                entry.lost_max);
  if (entry.fifo_groups.size() > kGroupsMax)
    return fail(ErrorCode::too_large, "run {} has {} FIFO groups; the limit is {}", entry.run,
                entry.fifo_groups.size(), kGroupsMax);
  for (std::string const& group : entry.fifo_groups)
    DROVER_TRY(check_name("FIFO group", group));
  std::set<std::string_view> const distinct{entry.fifo_groups.begin(), entry.fifo_groups.end()};
  if (distinct.size() != entry.fifo_groups.size())
    return fail(ErrorCode::invalid_argument, "run {} names a FIFO group twice", entry.run);
  return {};
}

}  // namespace drover::broker
