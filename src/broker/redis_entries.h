#pragma once
// Entries of streams in replies of Redis.
#include <string>
#include <string_view>
#include <vector>

#include "redis/reply.h"

namespace drover::broker {

struct StreamEntry {
  std::string id;
  std::vector<std::string> fields;  // name, value, name, value
};

// As XRANGE, XREADGROUP and XAUTOCLAIM give them. Entries that were deleted meanwhile (a nil in
// their place, or no fields) are left out.
[[nodiscard]] std::vector<StreamEntry> entries_of(redis::Reply const& list);
// Error replies that say that a stream or group has gone: after a flush, or nobody made it yet.
[[nodiscard]] bool is_group_gone(redis::Reply const& reply);

}  // namespace drover::broker
