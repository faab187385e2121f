#pragma once
// Entries of the dispatch streams in commands and replies of Redis.
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
[[nodiscard]] std::string const& worker_group();
// Appends the commands that take entries of the workers' group out of a stream for good.
void append_removal(std::vector<redis::Command>& commands, std::string const& stream,
                    std::vector<std::string> const& ids);
// Error replies that say that a stream or group has gone: after a flush, or nobody made it yet.
[[nodiscard]] bool is_group_gone(redis::Reply const& reply);

}  // namespace drover::broker
