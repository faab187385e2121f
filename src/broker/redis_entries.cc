#include "broker/redis_entries.h"

#include "redis/failure.h"

namespace drover::broker {

std::vector<StreamEntry> entries_of(redis::Reply const& list) {
  std::vector<StreamEntry> entries;
  for (redis::Reply const& item : list.items) {
    if (item.items.size() != 2 || !item.items[0].is_text() || !item.items[1].is_array()) continue;
    StreamEntry entry;
    entry.id = item.items[0].text;
    for (redis::Reply const& field : item.items[1].items)
      entry.fields.push_back(field.text);
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool is_group_gone(redis::Reply const& reply) {
  auto const kind = redis::error_kind(reply);
  return kind == "NOGROUP" || kind == "UNBLOCKED";
}

}  // namespace drover::broker
