#include "api/workflow_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "workflow/views.h"

namespace drover::api {

namespace {

constexpr std::size_t kReasonBytesMax = 4096;

// A run's id or an effect's, as it is a name of a file.
Result<std::string> name_of(Call const& call, std::string_view parameter) {
  std::string const& name = call.path.find(parameter)->second;
  if (workflow::is_plain_name(name)) return name;
  return fail(ErrorCode::invalid_argument, "'{}' is no id of a workflow or an effect",
              printable(name, 80));
}

// A body that is an object of these members; an empty body is an empty object.
Result<json::object> members_of(std::string const& body,
                                std::initializer_list<std::string_view> known) {
  if (trim(body).empty()) return json::object{};
  auto value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw())
    if (std::ranges::find(known, std::string_view{member.key()}) == known.end())
      return fail(ErrorCode::invalid_argument, "/{}: there is no such member",
                  escape_pointer(printable(member.key(), 80)));
  return std::move(value->get_object());
}

Result<std::string> text_of(json::object const& from, std::string_view key) {
  json::value const whole = from;
  auto const text = JsonObject::of(whole)->optional_string(key);
  if (!text) return std::unexpected(text.error());
  return text->value_or("");
}

Result<std::string> reason_of(std::string const& body) {
  auto const members = members_of(body, {"reason"});
  if (!members) return std::unexpected(members.error());
  auto reason = text_of(*members, "reason");
  if (reason && reason->size() > kReasonBytesMax)
    return fail(ErrorCode::too_large, "/reason: at most {} bytes, not {}", kReasonBytesMax,
                reason->size());
  return reason;
}

json::value value_of(json::object const& from, std::string_view key) {
  auto const* const value = from.if_contains(key);
  return value == nullptr ? json::value{} : *value;
}

Result<driver::NewWorkflow> wanted_of(json::object const& said) {
  driver::NewWorkflow wanted;
  for (auto const& [key, into] :
       {std::pair{"id", &wanted.id}, std::pair{"entry", &wanted.entry},
        std::pair{"process", &wanted.process_id}, std::pair{"cwd", &wanted.cwd}}) {
    auto text = text_of(said, key);
    if (!text) return std::unexpected(text.error());
    *into = *std::move(text);
  }
  if (!wanted.id.empty() && !workflow::is_plain_name(wanted.id))
    return fail(ErrorCode::invalid_argument,
                "/id: letters, digits, '-', '_' and '.', not '.' at its start");
  if (!wanted.cwd.empty() && !wanted.cwd.starts_with('/'))
    return fail(ErrorCode::invalid_argument, "/cwd: expected an absolute path");
  if (auto const* const inputs = said.if_contains("inputs")) wanted.inputs = *inputs;
  if (auto const* const agent = said.if_contains("agent")) {
    if (!agent->is_object())
      return fail(ErrorCode::invalid_argument, "/agent: expected an object, found {}",
                  json_type_name(*agent));
    wanted.agent = agent->get_object();
  }
  return wanted;
}

Result<workflow::TaskResult> result_of(std::string const& body) {
  auto const said = members_of(body, {"value", "error"});
  if (!said) return std::unexpected(said.error());
  if (said->contains("value") == said->contains("error"))
    return fail(ErrorCode::invalid_argument, "the body has either value or error");
  workflow::TaskResult result;
  if (said->contains("value")) {
    result.value = said->at("value");
    return result;
  }
  result.outcome = workflow::Outcome::error;
  auto const& error = said->at("error");
  if (error.is_string())
    result.error = json::object{{"name", "Error"}, {"message", error}};
  else if (error.is_object() && error.get_object().contains("message"))
    result.error = error;
  else
    return fail(ErrorCode::invalid_argument, "/error: expected a text, or {{name, message}}");
  return result;
}

}  // namespace

RouteTable<WorkflowRoutes> WorkflowRoutes::table() {
  using Self = WorkflowRoutes;
  static constexpr std::array<RouteEntry<Self>, 11> kTable = {{
      {{"POST", "/api/v1/workflows", "createWorkflow"}, Access::token, &Self::create_workflow},
      {{"GET", "/api/v1/workflows", "listWorkflows"}, Access::token, &Self::list_workflows},
      {{"GET", "/api/v1/workflows/{workflow}", "getWorkflow"}, Access::token, &Self::get_workflow},
      {{"GET", "/api/v1/workflows/{workflow}/events", "listWorkflowEvents"},
       Access::token,
       &Self::list_events},
      {{"GET", "/api/v1/workflows/{workflow}/tasks", "listWorkflowTasks"},
       Access::token,
       &Self::list_tasks},
      {{"GET", "/api/v1/workflows/{workflow}/tasks/{effect}", "getWorkflowTask"},
       Access::token,
       &Self::get_task},
      {{"POST", "/api/v1/workflows/{workflow}/tasks/{effect}/result", "postWorkflowResult"},
       Access::token,
       &Self::post_result},
      {{"POST", "/api/v1/workflows/{workflow}/tasks/{effect}/cancel", "cancelWorkflowTask"},
       Access::token,
       &Self::cancel_task},
      {{"POST", "/api/v1/workflows/{workflow}/signals", "signalWorkflow"},
       Access::token,
       &Self::send_signal},
      {{"POST", "/api/v1/workflows/{workflow}/queries", "queryWorkflow"},
       Access::token,
       &Self::query_workflow},
      {{"POST", "/api/v1/workflows/{workflow}/cancel", "cancelWorkflow"},
       Access::token,
       &Self::cancel_workflow},
  }};
  return kTable;
}

Task<Status> WorkflowRoutes::create_workflow(Call call, net::HttpReply& reply) {
  auto const said =
      members_of(call.request.body, {"id", "entry", "process", "inputs", "cwd", "agent", "folder"});
  if (!said) co_return std::unexpected(said.error());
  auto wanted = wanted_of(*said);
  if (!wanted) co_return std::unexpected(wanted.error());
  auto const folder = text_of(*said, "folder");
  if (!folder) co_return std::unexpected(folder.error());
  if (folder->empty() == wanted->entry.empty())
    co_return fail(ErrorCode::invalid_argument,
                   "the body has either entry, for a new run, or folder, of one that there is");
  if (!folder->empty() && !folder->starts_with('/'))
    co_return fail(ErrorCode::invalid_argument, "/folder: expected an absolute path");
  Result<driver::Driver::Created> created = fail(ErrorCode::internal, "nothing was made");
  if (folder->empty())
    created = co_await driver_.create(*std::move(wanted));
  else
    created = co_await driver_.adopt(*folder, std::move(wanted->agent));
  if (!created) co_return std::unexpected(created.error());
  net::Headers headers{{"location", fmt::format("/api/v1/workflows/{}", created->record.id)}};
  co_return co_await reply_json(reply, created->existed ? 200 : 201, to_json(created->record),
                                std::move(headers));
}

Task<Status> WorkflowRoutes::list_workflows(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"state", "limit", "before"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  driver::WorkflowFilter filter;
  filter.most = static_cast<std::size_t>(*limit);
  filter.before = query_text(call.request, "before");
  auto const state = query_text(call.request, "state");
  if (!state.empty()) {
    auto const wanted = driver::parse_workflow_state(state);
    if (!wanted) co_return std::unexpected(wanted.error());
    filter.state = *wanted;
  }
  auto const listed = co_await readers_.run(
      [filter](store::Database& database) { return driver::list_workflows(database, filter); });
  if (!listed) co_return std::unexpected(listed.error());
  json::array items;
  for (auto const& record : *listed)
    items.push_back(to_json(driver_.located(record)));
  json::object body{{"workflows", std::move(items)}, {"next", nullptr}};
  if (listed->size() == filter.most) body["next"] = json::string{listed->back().id};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkflowRoutes::read(Call call, driver::Driver::Reading reading,
                                  net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto body = co_await driver_.read(*std::move(id), std::move(reading));
  if (!body) co_return std::unexpected(body.error());
  co_return co_await reply_json(reply, 200, *std::move(body));
}

Task<Status> WorkflowRoutes::get_workflow(Call call, net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto const record = co_await driver_.find(*id);
  if (!record) co_return std::unexpected(record.error());
  driver::Driver::Reading status = [](workflow::RunFolder const& folder) -> Result<json::object> {
    auto const run = workflow::read_run(folder);
    if (!run) return std::unexpected(run.error());
    json::object view{{"entries", run->history.head().seq}, {"output", nullptr}};
    json::object pending;
    for (auto const& [kind, count] : run->history.pending_by_kind())
      pending.emplace(kind, count);
    view.emplace("pending", std::move(pending));
    if (run->history.end() != workflow::RunEnd::completed) return view;
    auto output = folder.read_json(folder.at("state/output.json"));
    if (!output) return std::unexpected(output.error());
    if (*output) view["output"] = **std::move(output);
    return view;
  };
  auto const view = co_await driver_.read(*std::move(id), std::move(status));
  if (!view) co_return std::unexpected(view.error());
  json::object body = to_json(*record);
  for (auto const& member : *view)
    body[member.key()] = member.value();
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkflowRoutes::list_events(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"type", "limit", "after"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  std::string const type = query_text(call.request, "type");
  std::string const from = query_text(call.request, "after");
  if (!std::ranges::all_of(from, [](char c) { return c >= '0' && c <= '9'; }) || from.size() > 18)
    co_return fail(ErrorCode::invalid_argument, "after is the number of an entry, not '{}'",
                   printable(from, 40));
  std::uint64_t const seq = from.empty() ? 0 : std::stoull(from);
  driver::Driver::Reading events = [type, seq, most = static_cast<std::size_t>(*limit)](
                                       workflow::RunFolder const& folder) -> Result<json::object> {
    auto const run = workflow::read_run(folder);
    if (!run) return std::unexpected(run.error());
    json::array chosen;
    json::object body{{"next", nullptr}};
    for (auto const& event : run->journal.events) {
      if (event.name.seq <= seq || (!type.empty() && event.type != type)) continue;
      if (chosen.size() == most) {
        body["next"] = chosen.back().at("seq");
        break;
      }
      chosen.push_back(event_view(event));
    }
    body.emplace("events", std::move(chosen));
    return body;
  };
  co_return co_await read(std::move(call), std::move(events), reply);
}

Task<Status> WorkflowRoutes::list_tasks(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"pending", "kind"});
  if (!known) co_return known;
  workflow::TasksQuery query;
  query.kind = query_text(call.request, "kind");
  query.pending = query_text(call.request, "pending") == "true";
  driver::Driver::Reading tasks =
      [query](workflow::RunFolder const& folder) -> Result<json::object> {
    auto const run = workflow::read_run(folder);
    if (!run) return std::unexpected(run.error());
    return tasks_view(run->history, query);
  };
  co_return co_await read(std::move(call), std::move(tasks), reply);
}

Task<Status> WorkflowRoutes::get_task(Call call, net::HttpReply& reply) {
  auto const effect_id = name_of(call, "effect");
  if (!effect_id) co_return std::unexpected(effect_id.error());
  driver::Driver::Reading task =
      [wanted = *effect_id](workflow::RunFolder const& folder) -> Result<json::object> {
    auto const run = workflow::read_run(folder);
    if (!run) return std::unexpected(run.error());
    auto const* const effect = run->history.by_id(wanted);
    if (effect == nullptr)
      return fail(ErrorCode::not_found, "there is no effect {} in the run", wanted);
    auto asked = workflow::read_task(folder, effect->id);
    if (!asked) return std::unexpected(asked.error());
    auto result = workflow::read_result(folder, *effect);
    if (!result) return std::unexpected(result.error());
    return json::object{{"effect", task_view(*effect)},
                        {"task", asked->value_or(json::value{})},
                        {"result", result->value_or(json::value{})}};
  };
  co_return co_await read(std::move(call), std::move(task), reply);
}

Task<Status> WorkflowRoutes::post_result(Call call, net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto effect_id = name_of(call, "effect");
  if (!effect_id) co_return std::unexpected(effect_id.error());
  auto result = result_of(call.request.body);
  if (!result) co_return std::unexpected(result.error());
  json::object body{{"effectId", json::string{*effect_id}}, {"posted", true}};
  auto const posted =
      co_await driver_.post(*std::move(id), *std::move(effect_id), *std::move(result));
  if (!posted) co_return posted;
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkflowRoutes::cancel_task(Call call, net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto effect_id = name_of(call, "effect");
  if (!effect_id) co_return std::unexpected(effect_id.error());
  auto reason = reason_of(call.request.body);
  if (!reason) co_return std::unexpected(reason.error());
  json::object body{{"effectId", json::string{*effect_id}}, {"cancelled", true}};
  auto const cancelled =
      co_await driver_.cancel_effect(*std::move(id), *std::move(effect_id), *std::move(reason));
  if (!cancelled) co_return cancelled;
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkflowRoutes::send_signal(Call call, net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto const said = members_of(call.request.body, {"name", "payload"});
  if (!said) co_return std::unexpected(said.error());
  auto name = text_of(*said, "name");
  if (!name) co_return std::unexpected(name.error());
  if (name->empty()) co_return fail(ErrorCode::invalid_argument, "/name: it is missing");
  json::object body{{"name", json::string{*name}}, {"sent", true}};
  auto const sent =
      co_await driver_.signal(*std::move(id), *std::move(name), value_of(*said, "payload"));
  if (!sent) co_return sent;
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkflowRoutes::query_workflow(Call call, net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto const said = members_of(call.request.body, {"name", "args"});
  if (!said) co_return std::unexpected(said.error());
  auto name = text_of(*said, "name");
  if (!name) co_return std::unexpected(name.error());
  auto const answer =
      co_await driver_.query(*std::move(id), *std::move(name), value_of(*said, "args"));
  if (!answer) co_return std::unexpected(answer.error());
  json::object body{{"answer", *answer}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkflowRoutes::cancel_workflow(Call call, net::HttpReply& reply) {
  auto id = name_of(call, "workflow");
  if (!id) co_return std::unexpected(id.error());
  auto reason = reason_of(call.request.body);
  if (!reason) co_return std::unexpected(reason.error());
  auto const record = co_await driver_.cancel(*std::move(id), *std::move(reason));
  if (!record) co_return std::unexpected(record.error());
  co_return co_await reply_json(reply, 200, to_json(*record));
}

}  // namespace drover::api
