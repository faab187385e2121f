#include "broker/redis_entries.h"

#include <utility>

#include "broker/offer.h"
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

std::string const& worker_group() {
  static std::string const name{kWorkerGroup};
  return name;
}

void append_removal(std::vector<redis::Command>& commands, std::string const& stream,
                    std::vector<std::string> const& ids) {
  if (ids.empty()) return;
  redis::Command ack{"XACK", stream, worker_group()};
  redis::Command remove{"XDEL", stream};
  ack.insert(ack.end(), ids.begin(), ids.end());
  remove.insert(remove.end(), ids.begin(), ids.end());
  commands.push_back(std::move(ack));
  commands.push_back(std::move(remove));
}

bool is_group_gone(redis::Reply const& reply) {
  auto const kind = redis::error_kind(reply);
  return kind == "NOGROUP" || kind == "UNBLOCKED";
}

}  // namespace drover::broker
