#include "worker/limit_book.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "os/files.h"
#include "worker/queue_limits.h"

namespace drover::worker {

namespace {

// Has one row, or none.
constexpr std::string_view kTable = R"sql(
CREATE TABLE queue_limits(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  body TEXT NOT NULL,
  revision INTEGER NOT NULL
) STRICT
)sql";

}  // namespace

std::string_view to_string(LimitBook::Origin origin) {
  switch (origin) {
    case LimitBook::Origin::none:
      return "none";
    case LimitBook::Origin::api:
      return "api";
    case LimitBook::Origin::file:
      return "file";
  }
  return "unknown";
}

LimitBook::LimitBook(store::Writer& writer, broker::EmbeddedQueue& queue)
    : writer_(writer), queue_(queue) {}

std::vector<store::Migration> LimitBook::migrations() {
  return {{"queue-limits", 1, "limits of the queue", kTable}};
}

Status LimitBook::load(store::Database& database, std::string const& state_folder) {
  auto row = database.query("SELECT body, revision FROM queue_limits");
  if (!row) return std::unexpected(row.error());
  auto const there = row->step();
  if (!there) return std::unexpected(there.error());
  if (*there) {
    auto const value = parse_json(row->text(0));
    auto limits = value ? parse_queue_limits(*value) : std::unexpected(value.error());
    if (!limits)
      return fail(ErrorCode::data_corrupt, "the stored limits of the queue cannot be read: {}",
                  limits.error().message);
    present_.limits = *std::move(limits);
    present_.origin = Origin::api;
    present_.revision = row->integer(1);
  }
  std::string const toml = state_folder + "/queue.toml";
  std::string const json = state_folder + "/queue.json";
  if (os::exists(toml) && os::exists(json))
    return fail_next(ErrorCode::conflict,
                     fmt::format("{} and {} both say the limits of the queue", toml, json),
                     "remove one of them");
  for (std::string const& path : {toml, json})
    if (os::exists(path)) DROVER_TRY(load_file(path));
  queue_.set_limits(present_.limits);
  return {};
}

Status LimitBook::load_file(std::string const& path) {
  auto const text = os::read_file(path, kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  auto const value = parse_config(path, *text);
  auto limits = value ? parse_queue_limits(*value) : std::unexpected(value.error());
  if (!limits) {
    Error error = limits.error();
    error.message = fmt::format("{}: {}", printable(path, 300), error.message);
    return std::unexpected(std::move(error));
  }
  present_.limits = *std::move(limits);
  present_.origin = Origin::file;
  present_.file = path;
  return {};
}

Task<Result<LimitBook::Present>> LimitBook::put(broker::QueueLimits limits,
                                                std::optional<std::int64_t> expected_revision) {
  if (present_.origin == Origin::file)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the limits of the queue are those of {}", present_.file),
                        "change them there, and restart the server");
  if (expected_revision && *expected_revision != present_.revision)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the limits of the queue are at revision {}, not {}",
                                    present_.revision, *expected_revision),
                        "read them again, and repeat the change on what is there now");
  Present next;
  next.limits = std::move(limits);
  next.origin = Origin::api;
  next.revision = present_.revision + 1;
  auto const stored = co_await writer_.run([this, next](store::Transaction& transaction) -> Status {
    DROVER_TRY(transaction.db().run(
        "INSERT INTO queue_limits(id, body, revision) VALUES(1,?1,?2)"
        " ON CONFLICT(id) DO UPDATE SET body=?1, revision=?2 WHERE revision=?2-1",
        json::serialize(to_json(next.limits)), next.revision));
    if (transaction.db().changes() == 0)
      return fail(ErrorCode::conflict, "the limits of the queue were changed meanwhile");
    transaction.on_commit([this, next] {
      present_ = next;
      queue_.set_limits(next.limits);
    });
    return {};
  });
  if (!stored) co_return std::unexpected(stored.error());
  co_return next;
}

}  // namespace drover::worker
