#include "contract/invocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/digest.h"
#include "base/text.h"
#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<Trigger>, 4> kTriggers = {{{Trigger::message, "message"},
                                                      {Trigger::scheduled, "scheduled"},
                                                      {Trigger::event, "event"},
                                                      {Trigger::transcription, "transcription"}}};
constexpr std::array<Named<WorkspaceMode>, 3> kModes = {
    {{WorkspaceMode::ro, "ro"}, {WorkspaceMode::rw, "rw"}, {WorkspaceMode::propose, "propose"}}};
constexpr std::array<Named<Checkout>, 3> kCheckouts = {{{Checkout::in_place, "in_place"},
                                                        {Checkout::worktree, "worktree"},
                                                        {Checkout::allow_dirty, "allow_dirty"}}};
constexpr std::array<Named<ContextKind>, 4> kKinds = {{{ContextKind::none, "none"},
                                                       {ContextKind::meeting, "meeting"},
                                                       {ContextKind::email, "email"},
                                                       {ContextKind::generic, "generic"}}};
constexpr std::array<Named<Launcher::Kind>, 3> kLaunchers = {
    {{Launcher::Kind::user, "user"},
     {Launcher::Kind::schedule, "schedule"},
     {Launcher::Kind::integration, "integration"}}};

constexpr std::size_t kDigestDigits = 10;

// ---- reading; the schema has accepted the values

Limits limits_of(json::object const& object) {
  return {.max_turns = optional_int(object, "max_turns"),
          .max_budget_usd = optional_double(object, "max_budget_usd"),
          .timeout_s = optional_int(object, "timeout_s"),
          .queue_s = optional_int(object, "queue_s"),
          .step_s = optional_int(object, "step_s"),
          .idle_s = optional_int(object, "idle_s"),
          .wait_s = optional_int(object, "wait_s"),
          .cpu = optional_double(object, "cpu"),
          .memory_mb = optional_int(object, "memory_mb"),
          .pids = optional_int(object, "pids"),
          .disk_mb = optional_int(object, "disk_mb")};
}

Limits limits_in(json::object const& object) {
  auto const* limits = object.if_contains("limits");
  return limits == nullptr ? Limits{} : limits_of(limits->get_object());
}

Result<Identity> identity_of(json::object const& object) {
  auto launcher = parse_launcher(text_at(object, "launcher"));
  if (!launcher) return std::unexpected(std::move(launcher).error());
  Identity identity{
      .subject = text_at(object, "subject"), .launcher = *std::move(launcher), .token = {}};
  if (auto token = optional_text(object, "token")) identity.token.emplace(*std::move(token));
  return identity;
}

Start start_of(json::object const& object) {
  if (auto const* entrypoint = object.if_contains("entrypoint"))
    return Entrypoint{.inline_prompt = optional_text(entrypoint->get_object(), "inline"),
                      .path = optional_text(entrypoint->get_object(), "path")};
  return ServeSession{text_at(object.at("session").get_object(), "ref")};
}

Context context_of(json::object const& object) {
  Context context{.kind = *value_of(kKinds, text_at(object, "kind")), .meeting = {}, .ref = {}};
  if (auto const* meeting = object.if_contains("meeting")) {
    auto const& members = meeting->get_object();
    context.meeting = Meeting{.meeting_id = text_at(members, "meeting_id"),
                              .session_uid = text_at(members, "session_uid"),
                              .platform = optional_text(members, "platform")};
  }
  if (auto const* ref = object.if_contains("ref"))
    context.ref = Reference{.uri = text_at(ref->get_object(), "uri"),
                            .etag = optional_text(ref->get_object(), "etag")};
  return context;
}

Result<std::vector<WorkspaceRequest>> requests_of(json::array const& items) {
  std::vector<WorkspaceRequest> requests;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto const& item = items[i].get_object();
    auto const id = text_at(item, "id");
    // Two modes for one workspace would leave it open which one holds.
    if (!seen.insert(id).second)
      return fail(
          ErrorCode::invalid_argument,
          "/workspaces/{}/id: expected a workspace that is not granted already, found \"{}\"", i,
          id);
    requests.push_back(
        {.id = WorkspaceId::trusted(id),
         .mode = value_of(kModes, text_at(item, "mode")),
         .checkout = value_of(kCheckouts, text_at(item, "checkout")).value_or(Checkout::in_place)});
  }
  return requests;
}

std::vector<ConcurrencyShare> shares_of(json::object const& object) {
  std::vector<ConcurrencyShare> shares;
  auto const* items = object.if_contains("concurrency");
  if (items == nullptr) return shares;
  for (auto const& item : items->get_array())
    shares.push_back({text_at(item.get_object(), "key"),
                      int_at(item.get_object(), "max", ConcurrencyShare{}.max)});
  return shares;
}

// What a schema cannot say of them.
Status check_shares(Invocation const& invocation) {
  std::set<std::string_view> seen;
  if (invocation.concurrency_key) seen.insert(*invocation.concurrency_key);
  for (std::size_t i = 0; i < invocation.concurrency.size(); ++i)
    if (!seen.insert(invocation.concurrency[i].key).second)
      return fail(ErrorCode::invalid_argument,
                  "/concurrency/{}/key: expected a key that is not named already, found \"{}\"", i,
                  invocation.concurrency[i].key);
  if (seen.size() > kConcurrencyKeysMax)
    return fail(ErrorCode::invalid_argument,
                "/concurrency: expected at most {} keys, concurrency_key among them",
                kConcurrencyKeysMax);
  return {};
}

Dedup dedup_of(json::object const& object) {
  Dedup dedup;
  dedup.key = text_at(object, "key");
  dedup.life = std::chrono::seconds{int_at(object, "life_s", dedup.life.count())};
  return dedup;
}

// What the invocation asks of the queue.
Status read_queue_members(json::object const& object, Invocation& out) {
  out.tenant = optional_text(object, "tenant");
  if (auto const priority = optional_int(object, "priority"))
    out.priority = static_cast<int>(*priority);
  out.fifo_group = optional_text(object, "fifo_group");
  out.concurrency_key = optional_text(object, "concurrency_key");
  out.concurrency = shares_of(object);
  DROVER_TRY(check_shares(out));
  if (auto const* dedup = object.if_contains("dedup")) out.dedup = dedup_of(dedup->get_object());
  if (auto const* retry = object.if_contains("retry"))
    out.retry = task_retry_of(retry->get_object());
  out.delay_until = optional_time(object, "delay_until");
  if (auto const delay = optional_int(object, "delay_s")) out.delay = std::chrono::seconds{*delay};
  if (out.delay && out.delay_until)
    return fail(ErrorCode::invalid_argument, "/delay_s: expected no delay beside delay_until");
  return {};
}

template <class T>
std::optional<T> optional_id(json::object const& object, std::string_view key) {
  auto text = optional_text(object, key);
  if (!text) return std::nullopt;
  return T::trusted(*std::move(text));
}

// ---- printing

json::object context_json(Context const& context) {
  json::object out;
  out["kind"] = to_string(context.kind);
  if (context.meeting) {
    json::object meeting;
    meeting["meeting_id"] = context.meeting->meeting_id;
    meeting["session_uid"] = context.meeting->session_uid;
    put(meeting, "platform", context.meeting->platform);
    out["meeting"] = std::move(meeting);
  }
  if (context.ref) {
    json::object ref;
    ref["uri"] = context.ref->uri;
    put(ref, "etag", context.ref->etag);
    out["ref"] = std::move(ref);
  }
  return out;
}

json::object start_json(Start const& start) {
  json::object inner;
  json::object out;
  if (auto const* entrypoint = std::get_if<Entrypoint>(&start)) {
    put(inner, "inline", entrypoint->inline_prompt);
    put(inner, "path", entrypoint->path);
    out["entrypoint"] = std::move(inner);
  } else {
    inner["ref"] = std::get<ServeSession>(start).ref;
    out["session"] = std::move(inner);
  }
  return out;
}

json::object identity_json(Identity const& identity, Tokens tokens) {
  json::object out;
  out["subject"] = identity.subject;
  out["launcher"] = identity.launcher.text();
  if (tokens == Tokens::keep && identity.token) out["token"] = identity.token->reveal();
  return out;
}

json::array requests_json(std::vector<WorkspaceRequest> const& requests) {
  json::array out;
  for (auto const& request : requests) {
    json::object item;
    item["id"] = request.id.str();
    if (request.mode) item["mode"] = to_string(*request.mode);
    if (request.checkout != Checkout::in_place) item["checkout"] = to_string(request.checkout);
    out.emplace_back(std::move(item));
  }
  return out;
}

void put_queue_members(json::object& out, Invocation const& invocation) {
  put(out, "tenant", invocation.tenant);
  put(out, "priority", invocation.priority);
  put(out, "fifo_group", invocation.fifo_group);
  put(out, "concurrency_key", invocation.concurrency_key);
  json::array shares;
  for (ConcurrencyShare const& share : invocation.concurrency)
    shares.push_back(json::object{{"key", json::string{share.key}}, {"max", share.max}});
  if (!shares.empty()) out["concurrency"] = std::move(shares);
  if (invocation.dedup) {
    json::object dedup;
    dedup["key"] = invocation.dedup->key;
    dedup["life_s"] = invocation.dedup->life.count();
    out["dedup"] = std::move(dedup);
  }
  if (invocation.retry) out["retry"] = to_json(*invocation.retry);
  put_time(out, "delay_until", invocation.delay_until);
  if (invocation.delay) out["delay_s"] = invocation.delay->count();
}

// Members sorted at every depth.
json::value sorted(json::value const& value) {
  if (value.is_array()) {
    json::array out;
    for (auto const& item : value.get_array())
      out.push_back(sorted(item));
    return out;
  }
  if (!value.is_object()) return value;
  std::vector<std::string_view> keys;
  for (auto const& member : value.get_object())
    keys.emplace_back(member.key().data(), member.key().size());
  std::ranges::sort(keys);
  json::object out;
  for (auto const key : keys)
    out[key] = sorted(value.get_object().at(key));
  return out;
}

std::string short_digest(std::string_view text) {
  return sha256_hex(text).substr(0, kDigestDigits);
}

// `readable` where it is a slug and cannot be read in another way, else a shortened form of it,
// "--" and a digest of everything it was made from. No readable name holds "--", so nobody can
// choose a session that leads to somebody else's unit.
std::string unit_name(std::string const& readable, std::string const& made_from, bool is_clear) {
  if (is_clear && is_slug(readable) && readable.find("--") == std::string::npos) return readable;
  constexpr std::size_t kSlugMax = 63;
  std::string name = make_slug(readable).substr(0, kSlugMax - kDigestDigits - 2);
  while (name.ends_with('-'))
    name.pop_back();
  return fmt::format("{}--{}", name, short_digest(made_from));
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (auto const part : parts)
    out += fmt::format("{}:{},", part.size(), part);
  return out;
}

}  // namespace

std::string Launcher::text() const {
  return fmt::format("{}:{}", name_of(kLaunchers, kind), name);
}

std::vector<WorkspaceGrant> granted(std::vector<WorkspaceRequest> const& requests,
                                    WorkspaceMode usual) {
  std::vector<WorkspaceGrant> grants;
  for (WorkspaceRequest const& request : requests)
    grants.push_back(
        {.id = request.id, .mode = request.mode.value_or(usual), .checkout = request.checkout});
  return grants;
}

std::string Entrypoint::prompt() const {
  std::string const plan = path ? fmt::format("Read and execute the plan at {}.", *path) : "";
  if (!inline_prompt) return plan;
  return path ? fmt::format("{}\n\n{}", *inline_prompt, plan) : *inline_prompt;
}

Result<Invocation> parse_invocation(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  return parse_invocation(*value);
}

Result<Invocation> parse_invocation(json::value const& value) {
  DROVER_TRY(check(Contract::unit, "invocation", value));
  auto const& object = value.get_object();
  auto identity = identity_of(object.at("identity").get_object());
  if (!identity) return std::unexpected(std::move(identity).error());
  auto grants = requests_of(object.at("workspaces").get_array());
  if (!grants) return std::unexpected(std::move(grants).error());

  Invocation out;
  out.identity = *std::move(identity);
  out.runner = text_at(object, "runner");
  out.workspaces = *std::move(grants);
  out.trigger = *value_of(kTriggers, text_at(object, "trigger"));
  out.start = start_of(object.at("start").get_object());
  if (auto const* entrypoint = std::get_if<Entrypoint>(&out.start);
      entrypoint != nullptr && entrypoint->prompt().empty() && !object.contains("task_type"))
    return fail(ErrorCode::invalid_argument,
                "/start/entrypoint: expected inline, path, or a task type that says what to do");
  if (object.contains("tools")) out.tools = texts_at(object, "tools");
  if (auto const* context = object.if_contains("context"))
    out.context = context_of(context->get_object());
  out.agent = optional_id<AgentId>(object, "agent");
  out.session = optional_id<SessionId>(object, "session");
  out.model = optional_text(object, "model");
  out.task_type = optional_text(object, "task_type");
  if (auto const* payload = object.if_contains("payload")) out.payload = *payload;
  out.idempotency_key = optional_text(object, "idempotency_key");
  DROVER_TRY(read_queue_members(object, out));
  out.limits = limits_in(object);
  return out;
}

Result<Message> parse_message(std::string_view text) {
  auto const value = parse_checked(Contract::unit, "message", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return Message{.prompt = text_at(object, "prompt"),
                 .model = optional_text(object, "model"),
                 .limits = limits_in(object),
                 .idempotency_key = optional_text(object, "idempotency_key")};
}

Result<Limits> parse_limits(json::value const& value) {
  DROVER_TRY(check(Contract::unit, "limits", value));
  return limits_of(value.get_object());
}

json::value to_json(Limits const& limits) {
  json::object out;
  put(out, "max_turns", limits.max_turns);
  put(out, "max_budget_usd", limits.max_budget_usd);
  put(out, "timeout_s", limits.timeout_s);
  put(out, "queue_s", limits.queue_s);
  put(out, "step_s", limits.step_s);
  put(out, "idle_s", limits.idle_s);
  put(out, "wait_s", limits.wait_s);
  put(out, "cpu", limits.cpu);
  put(out, "memory_mb", limits.memory_mb);
  put(out, "pids", limits.pids);
  put(out, "disk_mb", limits.disk_mb);
  return out;
}

json::value to_json(Message const& message) {
  json::object out;
  out["prompt"] = message.prompt;
  put(out, "model", message.model);
  if (message.limits != Limits{}) out["limits"] = to_json(message.limits);
  put(out, "idempotency_key", message.idempotency_key);
  return out;
}

json::value to_json(Invocation const& invocation, Tokens tokens) {
  json::object out;
  out["identity"] = identity_json(invocation.identity, tokens);
  out["runner"] = invocation.runner;
  out["workspaces"] = requests_json(invocation.workspaces);
  out["trigger"] = to_string(invocation.trigger);
  out["start"] = start_json(invocation.start);
  if (invocation.tools) out["tools"] = to_array(*invocation.tools);
  if (invocation.context) out["context"] = context_json(*invocation.context);
  if (invocation.agent) out["agent"] = invocation.agent->str();
  if (invocation.session) out["session"] = invocation.session->str();
  put(out, "model", invocation.model);
  put(out, "task_type", invocation.task_type);
  put(out, "payload", invocation.payload);
  put(out, "idempotency_key", invocation.idempotency_key);
  put_queue_members(out, invocation);
  if (invocation.limits != Limits{}) out["limits"] = to_json(invocation.limits);
  return out;
}

std::string print(Invocation const& invocation, Tokens tokens) {
  return json::serialize(to_json(invocation, tokens));
}

std::string fingerprint(Invocation const& invocation) {
  json::value value = to_json(invocation);
  value.get_object().erase("idempotency_key");
  return sha256_hex(json::serialize(sorted(value)));
}

WorkspaceMode default_mode(Trigger trigger) {
  bool const asked_by_a_person_or_plan =
      trigger == Trigger::message || trigger == Trigger::scheduled;
  return asked_by_a_person_or_plan ? WorkspaceMode::rw : WorkspaceMode::propose;
}

bool is_runner(std::string_view text) {
  json::value const value = json::string{text};
  return check(Contract::unit, "runner", value).has_value();
}

std::string_view canonical_runner(std::string_view runner) {
  return runner == "claude" ? "claude-code" : runner;
}

std::string unit_id(Invocation const& invocation, SessionId const& session) {
  std::string const& subject = invocation.identity.subject;
  if (invocation.context && invocation.context->meeting) {
    std::string const& uid = invocation.context->meeting->session_uid;
    return unit_name("agent-meet-" + uid, joined({"meet", uid}), true);
  }
  if (invocation.trigger == Trigger::message) {
    std::string const chat = session.empty() ? "main" : session.str();
    // "a-chat-b" in "c" and "a" in "b-chat-c" would be one unit for two people's conversations.
    bool const is_clear = subject != "meet" && subject.find("-chat-") == std::string::npos &&
                          !subject.ends_with("-chat") && !chat.starts_with("chat-");
    return unit_name(fmt::format("agent-{}-chat-{}", subject, chat),
                     joined({"chat", subject, chat}), is_clear);
  }
  std::string const source =
      invocation.context ? json::serialize(sorted(context_json(*invocation.context))) : "";
  std::string const made_from =
      joined({to_string(invocation.trigger), subject,
              json::serialize(sorted(start_json(invocation.start))), source, session.str()});
  std::string const name = fmt::format("agent-{}-{}-{}", subject, to_string(invocation.trigger),
                                       short_digest(made_from));
  return unit_name(name, made_from,
                   subject != "meet" && subject.find("-chat-") == std::string::npos);
}

std::string input_topic(std::string_view unit) {
  return fmt::format("unit:{}:in", unit);
}
std::string output_topic(std::string_view unit) {
  return fmt::format("unit:{}:out", unit);
}

std::string_view to_string(Trigger trigger) {
  return name_of(kTriggers, trigger);
}
std::string_view to_string(WorkspaceMode mode) {
  return name_of(kModes, mode);
}
std::string_view to_string(Checkout checkout) {
  return name_of(kCheckouts, checkout);
}
std::string_view to_string(ContextKind kind) {
  return name_of(kKinds, kind);
}
Result<Trigger> parse_trigger(std::string_view text) {
  return parse_name(kTriggers, "trigger", text);
}
Result<WorkspaceMode> parse_workspace_mode(std::string_view text) {
  return parse_name(kModes, "workspace mode", text);
}
Result<Checkout> parse_checkout(std::string_view text) {
  return parse_name(kCheckouts, "checkout", text);
}

Result<Launcher> parse_launcher(std::string_view text) {
  auto const colon = text.find(':');
  if (colon != std::string_view::npos && colon + 1 < text.size())
    if (auto const kind = value_of(kLaunchers, text.substr(0, colon)))
      return Launcher{.kind = *kind, .name = std::string{text.substr(colon + 1)}};
  return fail(ErrorCode::invalid_argument,
              "'{}' is no launcher; write user:<subject>, schedule:<id> or integration:<name>",
              printable(text));
}

}  // namespace drover::contract
