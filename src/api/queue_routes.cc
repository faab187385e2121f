#include "api/queue_routes.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <tuple>
#include <utility>

#include <boost/json.hpp>

#include "api/dispatched_reply.h"
#include "api/replies.h"
#include "base/text.h"
#include "broker/queue_rows.h"
#include "worker/queue_limits.h"

namespace drover::api {

namespace {

// Each is a transaction of its own.
constexpr std::size_t kReplayMax = 1000;

json::string text(std::string const& value) {
  return json::string{value};
}

json::array names_of(std::vector<broker::QueueName> const& names) {
  json::array array;
  for (broker::QueueName const& name : names)
    array.push_back(text(name.str()));
  return array;
}

// The queue's own count and that of its dead letters, of which either may be there alone.
std::vector<json::value> print_queues(std::vector<broker::QueueTally> tallies,
                                      std::vector<broker::DeadCount> const& dead, WallTime now) {
  using Name = std::tuple<std::string, std::string, std::string>;
  std::map<Name, std::pair<broker::QueueTally, std::int64_t>> all;
  for (broker::QueueTally& tally : tallies) {
    Name name{tally.pool, tally.task_type, tally.tenant};
    all[std::move(name)].first = std::move(tally);
  }
  for (broker::DeadCount const& one : dead)
    all[{one.pool, one.task_type, one.tenant}].second = one.count;
  std::vector<json::value> queues;
  for (auto const& [name, counts] : all) {
    auto const& [tally, dead_count] = counts;
    auto const& [pool, task_type, tenant] = name;
    json::object queue{{"pool", text(pool)},       {"task_type", text(task_type)},
                       {"tenant", text(tenant)},   {"depth", tally.entries},
                       {"ready", tally.ready},     {"delayed", tally.delayed},
                       {"claimed", tally.claimed}, {"dead", dead_count},
                       {"oldest_age_s", nullptr},  {"paused", tally.paused}};
    if (tally.oldest)
      queue["oldest_age_s"] =
          std::chrono::duration<double>(std::max(now - *tally.oldest, Micros{0})).count();
    queues.push_back(std::move(queue));
  }
  return queues;
}

json::object print_limits(worker::LimitBook::Present const& present) {
  json::object body{{"origin", worker::to_string(present.origin)},
                    {"file", nullptr},
                    {"revision", present.revision},
                    {"limits", worker::to_json(present.limits)}};
  if (!present.file.empty()) body["file"] = json::string{to_utf8(present.file)};
  return body;
}

json::object print_letter(broker::DeadLetter const& letter) {
  broker::QueueEntry const& entry = letter.entry;
  return {{"run", text(entry.run.str())},
          {"task_type", text(entry.task_type)},
          {"pool", text(entry.pool)},
          {"tenant", text(entry.tenant)},
          {"reason", to_string(letter.reason)},
          {"detail", json::string{to_utf8(letter.detail)}},
          {"failed", entry.failed},
          {"lost", entry.lost},
          {"epoch", static_cast<std::int64_t>(entry.epoch)},
          {"enqueued_at", to_rfc3339(entry.enqueued_at)},
          {"died_at", to_rfc3339(letter.died_at)}};
}

Result<std::vector<RunId>> ids_of(json::array const& runs) {
  if (runs.empty() || runs.size() > kReplayMax)
    return fail(ErrorCode::invalid_argument, "/runs: 1 to {} runs at once, not {}", kReplayMax,
                runs.size());
  std::vector<RunId> ids;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto const* const one = runs[i].if_string();
    auto id = one == nullptr ? fail(ErrorCode::invalid_argument, "it is no text")
                             : RunId::parse(std::string_view{*one});
    if (!id) return fail(ErrorCode::invalid_argument, "/runs/{}: {}", i, id.error().message);
    ids.push_back(*std::move(id));
  }
  return ids;
}

}  // namespace

RouteTable<QueueRoutes> QueueRoutes::table() {
  using Self = QueueRoutes;
  static constexpr std::array<RouteEntry<Self>, 9> kTable = {{
      {{"GET", "/api/v1/queues", "listQueues"}, Access::token, &Self::list_queues},
      {{"POST", "/api/v1/queues/{queue}/pause", "pauseQueue"}, Access::token, &Self::pause_queue},
      {{"POST", "/api/v1/queues/{queue}/resume", "resumeQueue"},
       Access::token,
       &Self::resume_queue},
      {{"GET", "/api/v1/queues/limits", "getQueueLimits"}, Access::token, &Self::get_limits},
      {{"PUT", "/api/v1/queues/limits", "putQueueLimits"}, Access::token, &Self::put_limits},
      {{"GET", "/api/v1/dead-letters", "listDeadLetters"}, Access::token, &Self::list_dead_letters},
      {{"POST", "/api/v1/dead-letters/replay", "replayDeadLetters"},
       Access::token,
       &Self::replay_dead_letters},
      {{"POST", "/api/v1/dead-letters/{run}/replay", "replayDeadLetter"},
       Access::token,
       &Self::replay_dead_letter},
      {{"DELETE", "/api/v1/dead-letters/{run}", "discardDeadLetter"},
       Access::token,
       &Self::discard_dead_letter},
  }};
  return kTable;
}

Task<Status> QueueRoutes::list_queues(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const dead = co_await services_.readers.run(
      [](store::Database& database) { return broker::count_dead_letters(database); });
  if (!dead) co_return std::unexpected(dead.error());
  auto const queues = print_queues(services_.queue.tallies(), *dead, services_.clock.now());
  json::object body{{"queues", json::array(queues.begin(), queues.end())},
                    {"paused", names_of(services_.queue.paused())}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> QueueRoutes::pause_queue(Call call, net::HttpReply& reply) {
  auto const name = broker::QueueName::parse(call.path.find("queue")->second);
  if (!name) co_return std::unexpected(name.error());
  auto const done =
      co_await services_.writer.run([this, name = *name](store::Transaction& transaction) {
        return services_.queue.pause(transaction, name);
      });
  if (!done) co_return done;
  json::object body{{"paused", names_of(services_.queue.paused())}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> QueueRoutes::resume_queue(Call call, net::HttpReply& reply) {
  auto const name = broker::QueueName::parse(call.path.find("queue")->second);
  if (!name) co_return std::unexpected(name.error());
  auto const done =
      co_await services_.writer.run([this, name = *name](store::Transaction& transaction) {
        return services_.queue.resume(transaction, name);
      });
  if (!done) co_return done;
  json::object body{{"paused", names_of(services_.queue.paused())}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> QueueRoutes::get_limits(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  co_return co_await reply_json(reply, 200, print_limits(limits_.present()));
}

Task<Status> QueueRoutes::put_limits(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"revision"});
  if (!known) co_return known;
  auto const revision = revision_of(call.request);
  if (!revision) co_return std::unexpected(revision.error());
  auto const body = parse_json(call.request.body);
  if (!body) co_return std::unexpected(body.error());
  auto limits = worker::parse_queue_limits(*body);
  if (!limits) co_return std::unexpected(limits.error());
  auto const room = services_.reserve.room();
  if (!room) co_return room;
  auto const put = co_await limits_.put(*std::move(limits), *revision);
  if (!put) co_return std::unexpected(put.error());
  co_return co_await reply_json(reply, 200, print_limits(*put));
}

Task<Status> QueueRoutes::list_dead_letters(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"task_type", "tenant", "limit", "before"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  broker::DeadLetterFilter const filter{query_text(call.request, "task_type"),
                                        query_text(call.request, "tenant"),
                                        query_text(call.request, "before"), *limit};
  // Beside the writer: a look waits for no disk.
  auto const letters = co_await services_.readers.run(
      [filter](store::Database& database) { return broker::read_dead_letters(database, filter); });
  if (!letters) co_return std::unexpected(letters.error());
  json::array items;
  for (broker::DeadLetter const& letter : *letters)
    items.push_back(print_letter(letter));
  json::object body{{"dead_letters", std::move(items)}, {"next", nullptr}};
  if (static_cast<std::int64_t>(letters->size()) == *limit)
    body["next"] = text(letters->back().entry.run.str());
  co_return co_await reply_json(reply, 200, std::move(body));
}

// Each for itself: one that cannot be replayed does not hold up the others.
Task<Status> QueueRoutes::replay_dead_letters(Call call, net::HttpReply& reply) {
  auto const runs = only_list(call.request, "runs");
  if (!runs) co_return std::unexpected(runs.error());
  auto const ids = ids_of(*runs);
  if (!ids) co_return std::unexpected(ids.error());
  json::array replayed;
  json::array refused;
  for (RunId const& id : *ids) {
    auto const dispatched = co_await dispatcher_.replay(id);
    if (dispatched) {
      replayed.push_back(
          json::object{{"run", text(id.str())}, {"replay", text(dispatched->run.id.str())}});
    } else {
      refused.push_back(json::object{{"run", text(id.str())},
                                     {"code", to_string(dispatched.error().code)},
                                     {"message", text(dispatched.error().message)}});
    }
  }
  json::object body{{"replayed", std::move(replayed)}, {"refused", std::move(refused)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> QueueRoutes::replay_dead_letter(Call call, net::HttpReply& reply) {
  auto id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const dispatched = co_await dispatcher_.replay(*std::move(id));
  if (!dispatched) co_return std::unexpected(dispatched.error());
  co_return co_await reply_dispatched(reply, *dispatched);
}

Task<Status> QueueRoutes::discard_dead_letter(Call call, net::HttpReply& reply) {
  auto const id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const taken =
      co_await services_.writer.run([this, id = *id](store::Transaction& transaction) {
        return services_.queue.take_dead(transaction, id);
      });
  if (!taken) co_return std::unexpected(taken.error());
  co_return co_await reply_json(reply, 200, print_letter(*taken));
}

}  // namespace drover::api
