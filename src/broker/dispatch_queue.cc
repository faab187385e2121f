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

}  // namespace

Status check_entry(QueueEntry const& entry) {
  DROVER_TRY(check_name("run id", entry.run.str()));
  DROVER_TRY(check_name("task type", entry.task_type));
  DROVER_TRY(check_name("pool", entry.pool));
  if (!entry.concurrency_key.empty())
    DROVER_TRY(check_name("concurrency key", entry.concurrency_key));
  if (entry.concurrency_max < 1)
    return fail(ErrorCode::invalid_argument, "run {} has concurrency_max {}; it is at least 1",
                entry.run, entry.concurrency_max);
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
