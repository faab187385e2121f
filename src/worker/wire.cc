#include "worker/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "worker/record_json.h"

namespace drover::worker {

namespace {

using Kind = WireStep::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 4> kKinds = {
    {{Kind::append, "append"},
     {Kind::record, "record"},
     {Kind::finish, "finish"},
     {Kind::put_back, "put-back"}}};

json::string text(std::string const& value) {
  return json::string{value};
}

// Members of one object: the first that does not fit is the error of the whole.
class Members {
 public:
  explicit Members(JsonObject object) : object_(std::move(object)) {}

  std::string string(std::string_view key) {
    auto value = object_.optional_string(key);
    if (!value) return failed(value.error()), std::string{};
    return (*std::move(value)).value_or("");
  }
  std::int64_t integer(std::string_view key) {
    auto const value = object_.optional_integer(key);
    if (!value) return failed(value.error()), 0;
    return value->value_or(0);
  }
  bool boolean(std::string_view key) {
    auto const value = object_.optional_boolean(key);
    if (!value) return failed(value.error()), false;
    return value->value_or(false);
  }
  template <class Id>
  Id id(std::string_view key) {
    return parsed(Id::parse(string(key)));
  }
  template <class T>
  T parsed(Result<T> value) {
    if (value) return *std::move(value);
    failed(value.error());
    return T{};
  }
  // An absent array is empty.
  json::array const& array(std::string_view key) {
    static json::array const kNone;
    auto const* const value = object_.find(key);
    if (value == nullptr || value->is_null()) return kNone;
    if (value->is_array()) return value->get_array();
    failed({ErrorCode::invalid_argument,
            fmt::format("{}: expected an array, found {}", object_.pointer_to(key),
                        json_type_name(*value)),
            ""});
    return kNone;
  }
  json::value member(std::string_view key) {
    auto const* const value = object_.find(key);
    return value == nullptr ? json::value{} : *value;
  }
  Members object(std::string_view key) {
    static json::value const kNone = json::object{};
    auto inner = object_.object(key);
    if (inner) return Members{*std::move(inner)};
    failed(inner.error());
    return Members{*JsonObject::of(kNone)};
  }
  void failed(Error error) {
    if (!error_) error_ = std::move(error);
  }
  [[nodiscard]] Status status() const {
    if (error_) return std::unexpected(*error_);
    return {};
  }

 private:
  JsonObject object_;
  std::optional<Error> error_;
};

json::object print_change(RunChange const& change) {
  json::object object{{"state", contract::to_string(change.state)},
                      {"detail", text(change.detail)},
                      {"reply", text(change.reply)},
                      {"attempts", change.attempts},
                      {"turns", change.turns},
                      {"commits", print(change.commits)},
                      {"start_ms", change.phases.start_ms},
                      {"tool_ms", change.phases.tool_ms},
                      {"commit_ms", change.phases.commit_ms}};
  if (change.reason) object["reason"] = contract::to_string(*change.reason);
  return object;
}

Result<RunChange> parse_change(Members members) {
  RunChange change;
  change.state = members.parsed(contract::parse_run_state(members.string("state")));
  if (std::string const reason = members.string("reason"); !reason.empty())
    change.reason = members.parsed(contract::parse_run_reason(reason));
  change.detail = members.string("detail");
  change.reply = members.string("reply");
  change.attempts = members.integer("attempts");
  change.turns = members.integer("turns");
  change.commits = members.parsed(parse_commits(members.array("commits")));
  change.phases.start_ms = members.integer("start_ms");
  change.phases.tool_ms = members.integer("tool_ms");
  change.phases.commit_ms = members.integer("commit_ms");
  DROVER_TRY(members.status());
  return change;
}

// Those that say how a run stands and what it cost are the server's to write.
bool is_for_workers(contract::EventType type) {
  using contract::EventType;
  return type != EventType::state && type != EventType::usage && type != EventType::turn_complete;
}

Result<broker::EventDraft> parse_event(json::value const& value, RunId const& run, Epoch epoch) {
  auto const object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  auto const type = contract::parse_event_type(string_or(object->raw(), "type", ""));
  if (!type) return std::unexpected(type.error());
  auto const data = object->object("data");
  if (!data) return std::unexpected(data.error());
  if (!is_for_workers(*type))
    return fail(ErrorCode::invalid_argument, "events of type {} are the server's",
                contract::to_string(*type));
  bool const ours = string_or(data->raw(), "run", "") == run.str() &&
                    integer_or(data->raw(), "epoch", 0) == static_cast<std::int64_t>(epoch);
  if (!ours || data->find("seq") != nullptr || data->find("at") != nullptr)
    return fail(ErrorCode::invalid_argument, "an event is not one of the run {} at epoch {}", run,
                static_cast<std::int64_t>(epoch));
  return broker::EventDraft{std::string{contract::to_string(*type)}, json::serialize(data->raw())};
}

json::object print_model(Result<gateway::ReadyModel> const& model) {
  if (model) return {{"name", text(model->route.model)}};
  return {{"error", text(model.error().text())}};
}

Result<gateway::ReadyModel> parse_model(Members members) {
  std::string const name = members.string("name");
  if (name.empty()) return fail(ErrorCode::invalid_argument, "{}", members.string("error"));
  gateway::ReadyModel model;
  model.route.model = name;
  return model;
}

json::value print_agent(Result<contract::AgentSpec> const& agent) {
  if (agent) return contract::to_json(*agent);
  return json::object{{"error", text(agent.error().text())}};
}

Result<contract::AgentSpec> parse_agent(Members members, json::value const& whole) {
  std::string const error = members.string("error");
  if (!error.empty()) return fail(ErrorCode::not_found, "{}", error);
  return contract::parse_agent(whole);
}

json::object print_session(SessionRecord const& session) {
  json::array tools;
  for (std::string const& tool : session.tools)
    tools.push_back(text(tool));
  return {{"id", text(session.id.str())},       {"number", session.number},
          {"subject", text(session.subject)},   {"launcher", text(session.launcher)},
          {"agent", text(session.agent.str())}, {"model", text(session.model)},
          {"runner", text(session.runner)},     {"workspaces", print(session.workspaces)},
          {"tools", std::move(tools)},          {"worktree", text(session.worktree)},
          {"branch", text(session.branch)},     {"note", text(session.note)}};
}

Result<SessionRecord> parse_session(Members members) {
  SessionRecord session;
  session.id = members.id<SessionId>("id");
  session.number = members.integer("number");
  session.subject = members.string("subject");
  session.launcher = members.string("launcher");
  session.agent = members.id<AgentId>("agent");
  session.model = members.string("model");
  if (auto runner = members.string("runner"); !runner.empty()) session.runner = std::move(runner);
  session.workspaces = members.parsed(parse_grants(members.array("workspaces")));
  for (json::value const& tool : members.array("tools")) {
    auto const* const name = tool.if_string();
    if (name != nullptr) session.tools.emplace_back(*name);
  }
  session.worktree = members.string("worktree");
  session.branch = members.string("branch");
  session.note = members.string("note");
  DROVER_TRY(members.status());
  return session;
}

json::object print_run(RunRecord const& run) {
  json::object object = print_change(change_of(run));
  object["id"] = text(run.id.str());
  object["session"] = text(run.session.str());
  object["agent"] = text(run.agent.str());
  object["task_type"] = text(run.task_type);
  object["model"] = text(run.model);
  object["workspaces"] = print(run.workspaces);
  object["prompt"] = text(run.prompt);
  object["limits"] = contract::to_json(run.limits);
  object["epoch"] = run.epoch;
  object["cancel_requested"] = run.cancel_requested;
  object["created_ms"] = to_unix_ms(run.created_at);
  return object;
}

Result<RunRecord> parse_run(Members members) {
  RunRecord run;
  auto change = parse_change(members);
  if (!change) return std::unexpected(change.error());
  apply(*change, run);
  run.id = members.id<RunId>("id");
  run.session = members.id<SessionId>("session");
  run.agent = members.id<AgentId>("agent");
  run.task_type = members.string("task_type");
  run.model = members.string("model");
  run.workspaces = members.parsed(parse_grants(members.array("workspaces")));
  run.prompt = members.string("prompt");
  run.limits = members.parsed(contract::parse_limits(members.member("limits")));
  run.epoch = members.integer("epoch");
  run.cancel_requested = members.boolean("cancel_requested");
  run.created_at = from_unix_ms(members.integer("created_ms"));
  DROVER_TRY(members.status());
  return run;
}

template <class Id>
json::array print_ids(std::vector<Id> const& ids) {
  json::array array;
  for (Id const& id : ids)
    array.push_back(text(id.str()));
  return array;
}

template <class Id>
std::vector<Id> parse_ids(Members& members, std::string_view key) {
  std::vector<Id> ids;
  for (json::value const& item : members.array(key)) {
    auto const* const name = item.if_string();
    ids.push_back(members.parsed(Id::parse(name == nullptr ? "" : std::string_view{*name})));
  }
  return ids;
}

broker::RedisOffers parse_offers(Members given, Members& whole) {
  broker::RedisOffers offers;
  offers.stamp = given.string("stamp");
  for (json::value const& item : given.array("lanes")) {
    auto const object = JsonObject::of(item);
    if (!object) {
      whole.failed(object.error());
      continue;
    }
    broker::QueueLane lane{.task_type = std::string{string_or(object->raw(), "task_type", "")},
                           .pool = std::string{string_or(object->raw(), "pool", "")},
                           .labels = {}};
    lane.labels = whole.parsed(broker::parse_labels(string_or(object->raw(), "labels", "")));
    offers.lanes.push_back(std::move(lane));
  }
  if (auto const status = given.status(); !status) whole.failed(status.error());
  return offers;
}

}  // namespace

RunChange change_of(RunRecord const& run) {
  RunChange change;
  change.state = run.state;
  change.reason = run.reason;
  change.detail = run.detail;
  change.reply = run.reply;
  change.attempts = run.attempts;
  change.turns = run.turns;
  change.commits = run.commits;
  change.phases = run.phases;
  return change;
}

void apply(RunChange const& change, RunRecord& run) {
  run.state = change.state;
  run.reason = change.reason;
  run.detail = change.detail;
  run.reply = change.reply;
  run.attempts = change.attempts;
  run.turns = std::max(run.turns, change.turns);
  run.commits = change.commits;
  run.phases.start_ms = change.phases.start_ms;
  run.phases.tool_ms = change.phases.tool_ms;
  run.phases.commit_ms = change.phases.commit_ms;
}

json::object print(WireStep const& step) {
  json::array events;
  for (broker::EventDraft const& event : step.events)
    events.push_back(json::object{{"type", text(event.type)}, {"data", json::parse(event.json)}});
  auto const kind = std::ranges::find(kKinds, step.kind, &std::pair<Kind, std::string_view>::first);
  json::object object{{"kind", kind->second},
                      {"epoch", static_cast<std::int64_t>(step.epoch)},
                      {"number", step.number},
                      {"ends", step.room == Room::of_ends},
                      {"run", print_change(step.change)},
                      {"events", std::move(events)},
                      {"note", text(step.note)},
                      {"delay_ms", step.delay.count()}};
  if (step.failure) object["failure"] = text(*step.failure);
  return object;
}

Result<WireStep> parse_step(json::value const& value, RunId const& run) {
  auto object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  Members members{*std::move(object)};
  WireStep step;
  std::string const kind_name = members.string("kind");
  auto const kind =
      std::ranges::find(kKinds, kind_name, &std::pair<Kind, std::string_view>::second);
  if (kind == kKinds.end())
    return fail(ErrorCode::invalid_argument,
                "/kind: expected append, record, finish or put-back, found '{}'",
                printable(kind_name, 40));
  step.kind = kind->first;
  step.epoch = Epoch{members.integer("epoch")};
  step.number = members.integer("number");
  step.room = members.boolean("ends") ? Room::of_ends : Room::of_work;
  step.change = members.parsed(parse_change(members.object("run")));
  step.note = members.string("note");
  step.delay = Millis{members.integer("delay_ms")};
  if (!members.member("failure").is_null()) step.failure = members.string("failure");
  for (json::value const& event : members.array("events"))
    step.events.push_back(members.parsed(parse_event(event, run, step.epoch)));
  DROVER_TRY(members.status());
  if (step.number < 1)
    return fail(ErrorCode::invalid_argument, "/number: the steps of a claim are numbered from 1");
  bool const ended =
      contract::is_terminal(step.change.state) || step.change.state == contract::RunState::waiting;
  if ((step.kind == Kind::finish) != ended || (ended && !step.change.reason))
    return fail(ErrorCode::invalid_argument, "/run/state: a step of kind {} does not lead to {}",
                kind_name, contract::to_string(step.change.state));
  return step;
}

json::object print(Assignment const& assignment) {
  json::object folders;
  for (auto const& [workspace, folder] : assignment.folders)
    folders[workspace.str()] = text(folder);
  broker::QueueEntry const& entry = assignment.claim.entry;
  return {{"run", print_run(assignment.run)},        {"session", print_session(assignment.session)},
          {"folders", std::move(folders)},           {"model", print_model(assignment.model)},
          {"agent", print_agent(assignment.agent)},  {"served_last", assignment.served_last},
          {"interactive", assignment.interactive},   {"failed", entry.failed},
          {"attempts_max", entry.retry.attempts_max}};
}

Result<Assignment> parse_assignment(json::value const& value, WorkerId const& worker) {
  auto object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  Members members{*std::move(object)};
  auto run = parse_run(members.object("run"));
  if (!run) return std::unexpected(run.error());
  auto session = parse_session(members.object("session"));
  if (!session) return std::unexpected(session.error());
  std::map<WorkspaceId, std::string> folders;
  json::value const places = members.member("folders");
  if (auto const* const named = places.if_object())
    for (auto const& [name, folder] : *named) {
      auto id = members.parsed(WorkspaceId::parse(name));
      auto const* const path = folder.if_string();
      if (path != nullptr) folders.emplace(std::move(id), std::string{*path});
    }
  auto model = parse_model(members.object("model"));
  auto agent = parse_agent(members.object("agent"), members.member("agent"));
  broker::Claim claim;
  claim.entry.run = run->id;
  claim.entry.failed = members.integer("failed");
  claim.entry.retry.attempts_max = members.integer("attempts_max");
  claim.epoch = Epoch{run->epoch};
  claim.entry.epoch = claim.epoch;
  claim.worker = worker;
  bool const served_last = members.boolean("served_last");
  bool const interactive = members.boolean("interactive");
  DROVER_TRY(members.status());
  return Assignment{.claim = std::move(claim),
                    .run = *std::move(run),
                    .session = *std::move(session),
                    .folders = std::move(folders),
                    .model = std::move(model),
                    .agent = std::move(agent),
                    .served_last = served_last,
                    .interactive = interactive};
}

json::object print(broker::RedisOffers const& offers) {
  json::array lanes;
  for (broker::QueueLane const& lane : offers.lanes)
    lanes.push_back(json::object{{"task_type", text(lane.task_type)},
                                 {"pool", text(lane.pool)},
                                 {"labels", text(broker::print_labels(lane.labels))}});
  return {{"stamp", text(offers.stamp)}, {"lanes", std::move(lanes)}};
}

Result<std::optional<broker::RedisOffers>> offers_in(json::value const& value) {
  auto object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  Members members{*std::move(object)};
  std::optional<broker::RedisOffers> offers;
  if (members.member("offers").is_object())
    offers = parse_offers(members.object("offers"), members);
  DROVER_TRY(members.status());
  return offers;
}

json::object print(Orders const& orders) {
  json::object object{{"version", orders.version},
                      {"lost", print_ids(orders.lost)},
                      {"cancelled", print_ids(orders.cancelled)},
                      {"released", print_ids(orders.released)}};
  if (orders.offers) object["offers"] = print(*orders.offers);
  return object;
}

Result<Orders> parse_orders(json::value const& value) {
  auto object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  Members members{*std::move(object)};
  Orders orders;
  orders.version = static_cast<std::uint64_t>(members.integer("version"));
  orders.lost = parse_ids<RunId>(members, "lost");
  orders.cancelled = parse_ids<RunId>(members, "cancelled");
  orders.released = parse_ids<SessionId>(members, "released");
  auto offers = offers_in(value);
  if (!offers) return std::unexpected(offers.error());
  orders.offers = *std::move(offers);
  DROVER_TRY(members.status());
  return orders;
}

}  // namespace drover::worker
