#include "api/run_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/dispatched_reply.h"
#include "api/event_stream.h"
#include "api/replies.h"
#include "base/text.h"
#include "contract/invocation.h"
#include "git/diff.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"

namespace drover::api {

namespace {

constexpr std::size_t kDiffBytesMax = std::size_t{1} << 20U;

struct DiffSource {
  std::string path;
  std::vector<worker::CommitRecord> commits;
};

struct DiffAnswer {
  std::string text;
  bool truncated = false;
};

Result<DiffAnswer> diff_of(std::vector<DiffSource> const& sources) {
  DiffAnswer answer;
  for (DiffSource const& source : sources) {
    auto const repository = git::Repository::open(source.path);
    if (!repository) return std::unexpected(repository.error());
    for (worker::CommitRecord const& commit : source.commits) {
      auto const to = git::Oid::parse(commit.summary.sha);
      if (!to) return std::unexpected(to.error());
      git::Oid from;
      if (!commit.parent.empty()) {
        auto const parent = git::Oid::parse(commit.parent);
        if (!parent) return std::unexpected(parent.error());
        from = *parent;
      }
      git::DiffOptions options;
      options.bytes_max = kDiffBytesMax - std::min(answer.text.size(), kDiffBytesMax);
      auto const one = git::diff(*repository, from, *to, options);
      if (!one) return std::unexpected(one.error());
      answer.text += one->text;
      answer.truncated = answer.truncated || one->truncated;
    }
  }
  return answer;
}

}  // namespace

RouteTable<RunRoutes> RunRoutes::table() {
  using Self = RunRoutes;
  static constexpr std::array<RouteEntry<Self>, 8> kTable = {{
      {{"POST", "/api/v1/runs", "dispatchRun"}, Access::token, &Self::create_run},
      {{"GET", "/api/v1/runs", "listRuns"}, Access::token, &Self::list_runs},
      {{"GET", "/api/v1/runs/{run}", "getRun"}, Access::token, &Self::get_run},
      {{"GET", "/api/v1/runs/{run}/diff", "getRunDiff"}, Access::token, &Self::get_diff},
      {{"POST", "/api/v1/runs/{run}/cancel", "cancelRun"}, Access::token, &Self::cancel_run},
      {{"POST", "/api/v1/runs/bulk", "dispatchRuns"}, Access::token, &Self::create_runs},
      {{"POST", "/api/v1/runs/{run}/run-now", "runNow"}, Access::token, &Self::run_now},
      {{"GET", "/api/v1/sessions/{session}/runs/{run}/events", "streamEvents"},
       Access::token,
       &Self::stream_events},
  }};
  return kTable;
}

Task<Status> RunRoutes::create_run(Call call, net::HttpReply& reply) {
  auto invocation = contract::parse_invocation(call.request.body);
  if (!invocation) co_return std::unexpected(invocation.error());
  auto const key = take_key(call.request, invocation->idempotency_key);
  if (!key) co_return key;
  auto dispatched = co_await dispatcher_.dispatch(*std::move(invocation));
  if (!dispatched) co_return std::unexpected(dispatched.error());
  dispatched->run = workforce_.shown(std::move(dispatched->run));
  co_return co_await reply_dispatched(reply, *std::move(dispatched));
}

Task<Status> RunRoutes::list_runs(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"session", "state", "limit", "before"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  worker::RunFilter filter{query_text(call.request, "session"), query_text(call.request, "state"),
                           query_text(call.request, "before"), *limit};
  if (!filter.state.empty()) {
    auto const state = contract::parse_run_state(filter.state);
    if (!state) co_return std::unexpected(state.error());
  }
  auto const runs = co_await services_.readers.run(
      [filter](store::Database& database) { return worker::list_runs(database, filter); });
  if (!runs) co_return std::unexpected(runs.error());
  json::array items;
  for (worker::RunRecord const& run : *runs)
    items.push_back(worker::to_json(workforce_.shown(run)));
  json::object body{{"runs", std::move(items)}, {"next", nullptr}};
  if (static_cast<std::int64_t>(runs->size()) == *limit)
    body["next"] = json::string{runs->back().id.str()};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> RunRoutes::get_run(Call call, net::HttpReply& reply) {
  auto id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const run = co_await services_.readers.run(
      [wanted = *id](store::Database& database) { return worker::find_run(database, wanted); });
  if (!run) co_return std::unexpected(run.error());
  co_return co_await reply_json(reply, 200, worker::to_json(workforce_.shown(*run)));
}

Task<Status> RunRoutes::get_diff(Call call, net::HttpReply& reply) {
  auto id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const run = co_await services_.readers.run(
      [wanted = *id](store::Database& database) { return worker::find_run(database, wanted); });
  if (!run) co_return std::unexpected(run.error());
  std::vector<DiffSource> sources;
  json::array commits;
  for (worker::CommitRecord const& commit : run->commits) {
    auto const workspace = services_.workspaces.find(commit.summary.workspace);
    if (!workspace) co_return std::unexpected(workspace.error());
    sources.push_back({workspace->path, {commit}});
    commits.push_back(json::parse(contract::print(commit.summary)));
  }
  auto const diff = co_await services_.pool.run([sources] { return diff_of(sources); });
  if (!diff) co_return std::unexpected(diff.error());
  json::object body{{"run", json::string{run->id.str()}},
                    {"diff", json::string{to_utf8(diff->text)}},
                    {"truncated", diff->truncated},
                    {"commits", std::move(commits)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> RunRoutes::cancel_run(Call call, net::HttpReply& reply) {
  auto id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const run = co_await workforce_.cancel(*std::move(id));
  if (!run) co_return std::unexpected(run.error());
  co_return co_await reply_json(reply, 202, worker::to_json(*run));
}

Task<Status> RunRoutes::create_runs(Call call, net::HttpReply& reply) {
  auto const runs = only_list(call.request, "runs");
  if (!runs) co_return std::unexpected(runs.error());
  std::vector<contract::Invocation> invocations;
  for (std::size_t i = 0; i < runs->size(); ++i) {
    auto invocation = contract::parse_invocation(json::serialize((*runs)[i]));
    if (!invocation) {
      Error error = invocation.error();
      error.message =
          fmt::format("/runs/{}{}{}", i, error.message.starts_with('/') ? "" : ": ", error.message);
      co_return std::unexpected(std::move(error));
    }
    invocations.push_back(*std::move(invocation));
  }
  auto const dispatched = co_await dispatcher_.dispatch_many(std::move(invocations));
  if (!dispatched) co_return std::unexpected(dispatched.error());
  json::array items;
  for (worker::Dispatched const& one : *dispatched)
    items.push_back(to_json(one));
  json::object body{{"runs", std::move(items)}};
  co_return co_await reply_json(reply, 202, std::move(body));
}

Task<Status> RunRoutes::run_now(Call call, net::HttpReply& reply) {
  auto const id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const done =
      co_await services_.writer.run([this, id = *id](store::Transaction& transaction) {
        return services_.queue.run_now(transaction, id);
      });
  if (!done) co_return done;
  auto const run = co_await services_.readers.run(
      [wanted = *id](store::Database& database) { return worker::find_run(database, wanted); });
  if (!run) co_return std::unexpected(run.error());
  co_return co_await reply_json(reply, 202, worker::to_json(*run));
}

Task<Status> RunRoutes::stream_events(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"after", "follow"});
  if (!known) co_return known;
  auto const session = id_of<SessionId>(call, "session");
  if (!session) co_return std::unexpected(session.error());
  auto const id = id_of<RunId>(call, "run");
  if (!id) co_return std::unexpected(id.error());
  auto const after = resume_point(call.request);
  if (!after) co_return std::unexpected(after.error());
  auto const follow = follow_of(call.request);
  if (!follow) co_return std::unexpected(follow.error());
  auto const run = co_await services_.readers.run(
      [wanted = *id](store::Database& database) { return worker::find_run(database, wanted); });
  if (!run) co_return std::unexpected(run.error());
  if (run->session != *session)
    co_return fail(ErrorCode::not_found, "the session {} has no run {}", *session, *id);
  auto name = broker::StreamName::of_run(*id);
  co_return co_await serve_events(services_.streams, std::move(name), *after, *follow, reply);
}

}  // namespace drover::api
