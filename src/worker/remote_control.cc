#include "worker/remote_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "gateway/mcp_endpoint.h"
#include "worker/mcp_desk.h"

namespace drover::worker {

namespace {

using std::chrono::steady_clock;

constexpr Millis kPoll{20'000};            // a question that waits for something to happen
constexpr Millis kPollBesideRedis{2'000};  // the same, where Redis may come back
constexpr Millis kAnswerMore{15'000};      // beyond what it was told to wait
constexpr Millis kStepAnswer{10'000};      // then it is sent again
constexpr Millis kStepRetry{200};
constexpr Millis kListenRetry{1'000};
constexpr Millis kLeaveAnswer{5'000};
// The gateway has the deadlines of model calls; these only bound a server that is gone.
constexpr Millis kModelAnswer{15 * 60'000};

Error error_of(int status, std::string_view body) {
  Error error{ErrorCode::upstream, fmt::format("the server answered with status {}", status), ""};
  auto const value = parse_json(body);
  auto const* const object = value ? value->if_object() : nullptr;
  auto const* const found = object == nullptr ? nullptr : object->if_contains("error");
  auto const* const inner = found == nullptr ? nullptr : found->if_object();
  if (inner == nullptr) return error;
  error.code = parse_error_code(string_or(*inner, "code", "")).value_or(ErrorCode::upstream);
  error.message = printable(string_or(*inner, "message", error.message), 2000);
  error.next = printable(string_or(*inner, "next", ""), 1000);
  return error;
}

// Nobody knows whether the server has seen what this is the answer to.
bool may_be_sent_again(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::timeout ||
         code == ErrorCode::upstream;
}

json::array names_of(std::vector<broker::Claim> const& claims) {
  json::array names;
  for (broker::Claim const& claim : claims)
    names.push_back(json::object{{"run", json::string{claim.entry.run.str()}},
                                 {"epoch", static_cast<std::int64_t>(claim.epoch)}});
  return names;
}

json::array texts(std::vector<std::string> const& all) {
  json::array array;
  for (std::string const& one : all)
    array.push_back(json::string{one});
  return array;
}

json::object print(WorkerCard const& card) {
  json::object labels;
  for (auto const& [name, value] : card.filter.labels)
    labels[name] = json::string{value};
  return {{"host", json::string{card.host}},
          {"mode", json::string{card.mode}},
          {"slots", card.slots},
          {"pools", texts(card.filter.pools)},
          {"task_types", texts(card.filter.task_types)},
          {"labels", std::move(labels)}};
}

Result<std::vector<std::string>> names_at(JsonObject const& object, std::string_view key) {
  std::vector<std::string> names;
  auto const* const value = object.find(key);
  auto const* const items = value == nullptr ? nullptr : value->if_array();
  if (items == nullptr) return fail(ErrorCode::upstream, "/{}: expected an array of names", key);
  for (json::value const& item : *items) {
    auto const* const name = item.if_string();
    if (name == nullptr) return fail(ErrorCode::upstream, "/{}: expected names", key);
    names.emplace_back(*name);
  }
  return names;
}

Result<broker::Labels> labels_at(JsonObject const& object) {
  broker::Labels labels;
  auto const* const value = object.find("labels");
  auto const* const members = value == nullptr ? nullptr : value->if_object();
  if (members == nullptr) return fail(ErrorCode::upstream, "/labels: expected an object");
  for (auto const& [name, label] : *members) {
    auto const* const given = label.if_string();
    if (given == nullptr)
      return fail(ErrorCode::upstream, "/labels/{}: expected a text", std::string_view{name});
    labels.emplace(name, *given);
  }
  return labels;
}

}  // namespace

// One step at a time, each with a number of its own.
struct RemoteControl::Line {
  Line(Epoch of, boost::asio::any_io_executor executor) : epoch(of), freed(std::move(executor)) {}
  Epoch epoch;
  std::int64_t number = 0;  // of the last step
  bool busy = false;
  os::AsyncEvent freed;
};

RemoteControl::RemoteControl(boost::asio::io_context& io, RemoteOptions options)
    : io_(io),
      options_(std::move(options)),
      client_(io),
      claims_client_(std::make_unique<net::HttpClient>(io)),
      orders_client_(std::make_unique<net::HttpClient>(io)),
      tasks_(io.get_executor(), "remote-control") {}

RemoteControl::~RemoteControl() = default;

net::ClientRequest RemoteControl::request_of(Call const& call) const {
  net::ClientRequest request;
  request.method = call.method;
  request.url = fmt::format("{}/api/v1/workers/{}{}", options_.url, options_.card.id, call.path);
  request.headers = {{"authorization", "Bearer " + options_.token.reveal()},
                     {"content-type", "application/json"}};
  if (call.method != "DELETE") request.body = json::serialize(call.body);
  request.timeouts.head = call.answer;
  request.timeouts.total = call.answer;
  request.ca_file = options_.ca_file;
  return request;
}

Task<Result<json::value>> RemoteControl::send(net::HttpClient& client, Call call) {
  auto const answer = co_await client.send(request_of(call));
  if (!answer) co_return std::unexpected(answer.error());
  if (answer->status < 200 || answer->status > 299)
    co_return std::unexpected(error_of(answer->status, answer->body));
  if (answer->body.empty()) co_return json::value{};
  auto value = parse_json(answer->body);
  if (!value)
    co_return fail(ErrorCode::upstream, "the server's answer cannot be read: {}",
                   value.error().message);
  co_return value;
}

Task<Result<json::value>> RemoteControl::send_known(net::HttpClient& client, Call call) {
  Call again = call;
  auto first = co_await send(client, std::move(call));
  if (first || first.error().code != ErrorCode::not_found || leaving_) co_return first;
  // The claim is over with the server that gave it.
  if (is_guest_) co_return fail(ErrorCode::conflict, "{}", first.error().message);
  auto const joined = co_await join();
  if (!joined) co_return std::unexpected(joined.error());
  if (joined_again_) joined_again_();
  co_return co_await send(client, std::move(again));
}

Task<Result<RemoteControl::Joined>> RemoteControl::join() {
  Call call{.method = "PUT", .path = "", .body = print(options_.card), .answer = kAnswerMore};
  auto const answer = co_await send(client_, std::move(call));
  if (!answer) co_return std::unexpected(answer.error());
  auto const object = JsonObject::of(*answer);
  if (!object) co_return std::unexpected(object.error());
  auto folder = object->string("session_folder");
  if (!folder) co_return std::unexpected(folder.error());
  // What this worker left open, its pools have said.
  auto const mode = object->string("mode");
  if (!mode) co_return std::unexpected(mode.error());
  auto types = names_at(*object, "task_types");
  if (!types) co_return std::unexpected(types.error());
  auto labels = labels_at(*object);
  if (!labels) co_return std::unexpected(labels.error());
  options_.card.mode = *mode;
  options_.card.filter.task_types = *std::move(types);
  options_.card.filter.labels = *std::move(labels);
  if (options_.offers != nullptr) {
    auto const offers = offers_in(*answer);
    if (!offers) co_return std::unexpected(offers.error());
    options_.offers->set_offers(*offers);
  }
  log::info("joined", {{"server", net::url_for_people(options_.url)}, {"as", options_.card.id}});
  co_return Joined{.session_folder = *std::move(folder), .card = options_.card};
}

void RemoteControl::listen(std::function<void(Orders const&)> handler) {
  tasks_.spawn(listen_loop(std::move(handler)), "listen");
}

Task<void> RemoteControl::listen_loop(std::function<void(Orders const&)> handler) {
  std::uint64_t seen = 0;
  while (!leaving_) {
    std::vector<broker::Claim> none;
    auto const orders = co_await beat(*orders_client_, std::move(none), seen, kPoll);
    if (leaving_) co_return;
    if (orders) {
      seen = orders->version;
      if (options_.offers != nullptr) options_.offers->set_offers(orders->offers);
      handler(*orders);
      continue;
    }
    log::warn("server-not-heard", {{"reason", orders.error().text()}});
    co_await pause(kListenRetry);
  }
}

Task<Status> RemoteControl::confirm_release(SessionId session) {
  json::object body{{"released", json::string{session.str()}}};
  Call call{.method = "POST", .path = "/heartbeat", .body = std::move(body), .answer = kStepAnswer};
  auto const answer = co_await send(client_, std::move(call));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Status{};
}

Task<void> RemoteControl::pause(Millis time) {
  boost::asio::steady_timer timer{io_};
  timer.expires_after(time);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

Task<void> RemoteControl::leave() {
  leaving_ = true;
  close_claims();
  orders_client_.reset();
  co_await tasks_.join();
  if (is_guest_) co_return;
  json::object nothing;
  Call call{.method = "DELETE", .path = "", .body = std::move(nothing), .answer = kLeaveAnswer};
  auto const left = co_await send(client_, std::move(call));
  if (!left) log::warn("not-left-in-order", {{"reason", left.error().text()}});
}

void RemoteControl::adopt(Assignment assignment) {
  is_guest_ = true;
  adopted_ = assignment.claim;
  RunId run = assignment.run.id;
  assigned_.insert_or_assign(std::move(run), std::move(assignment));
}

void RemoteControl::close_claims() {
  closed_ = true;
  if (options_.offers != nullptr) options_.offers->close();
  claims_client_.reset();
}

Task<Result<std::vector<broker::Claim>>> RemoteControl::claim(ClaimWish wish) {
  if (closed_) co_return std::vector<broker::Claim>{};
  if (is_guest_) {
    std::vector<broker::Claim> one;
    if (adopted_) one.push_back(*std::exchange(adopted_, std::nullopt));
    co_return one;
  }
  bool const by_redis =
      options_.offers != nullptr && wish.wait > Millis{0} && options_.offers->usable();
  if (by_redis) co_return co_await claim_offered(std::move(wish));
  co_return co_await ask_for_claims(std::move(wish));
}

// An offer says whom to ask about; the server's answer is the claim. None that came in time is no
// error: Redis may have gone meanwhile, and then the server is asked.
Task<Result<std::vector<broker::Claim>>> RemoteControl::claim_offered(ClaimWish wish) {
  auto const deadline = steady_clock::now() + wish.wait;
  for (;;) {
    auto held = co_await options_.offers->next(deadline);
    if (!held || closed_) {
      if (held) options_.offers->give_back(*std::move(held));
      co_return std::vector<broker::Claim>{};
    }
    ClaimWish one = wish;
    one.only = held->offer.offered;
    one.wait = Millis{0};
    one.runs_max = 1;
    auto claims = co_await ask_for_claims(std::move(one));
    if (!claims) {
      options_.offers->give_back(*std::move(held));
      co_return claims;
    }
    options_.offers->done(*held);
    if (!claims->empty()) co_return claims;
  }
}

Task<Result<std::vector<broker::Claim>>> RemoteControl::ask_for_claims(ClaimWish wish) {
  Millis const wait = std::min(wish.wait, options_.offers == nullptr ? kPoll : kPollBesideRedis);
  json::object body{{"wait_ms", wait.count()},
                    {"lease_ms", wish.lease.count()},
                    {"runs_max", wish.runs_max},
                    {"pools", texts(wish.filter.pools)},
                    {"task_types", texts(wish.filter.task_types)}};
  if (wish.only)
    body["offered"] = json::object{{"run", json::string{wish.only->run.str()}},
                                   {"after", static_cast<std::int64_t>(wish.only->after)}};
  Call call{
      .method = "POST", .path = "/claim", .body = std::move(body), .answer = wait + kAnswerMore};
  auto const answer = co_await send_known(*claims_client_, std::move(call));
  if (closed_) co_return std::vector<broker::Claim>{};
  if (!answer) co_return std::unexpected(answer.error());
  auto const* const object = answer->if_object();
  auto const* const found = object == nullptr ? nullptr : object->if_contains("assignments");
  auto const* const items = found == nullptr ? nullptr : found->if_array();
  if (items == nullptr)
    co_return fail(ErrorCode::upstream, "the server's answer to a claim has no assignments");
  std::vector<broker::Claim> claims;
  for (json::value const& item : *items) {
    auto assignment = parse_assignment(item, options_.card.id);
    // Not renewed, its lease runs out.
    if (!assignment) {
      log::error("assignment-not-readable", {{"reason", assignment.error().text()}});
      continue;
    }
    claims.push_back(assignment->claim);
    RunId run = assignment->run.id;
    assigned_.insert_or_assign(std::move(run), *std::move(assignment));
  }
  co_return claims;
}

Task<Result<Assignment>> RemoteControl::take(broker::Claim claim) {
  auto const found = assigned_.find(claim.entry.run);
  if (found == assigned_.end() || found->second.claim.epoch != claim.epoch)
    co_return fail(ErrorCode::internal, "the run {} was not assigned", claim.entry.run);
  Assignment assignment = std::move(found->second);
  assigned_.erase(found);
  lines_.insert_or_assign(claim.entry.run, std::make_shared<Line>(claim.epoch, io_.get_executor()));
  co_return assignment;
}

Task<Result<Orders>> RemoteControl::beat(net::HttpClient& client, std::vector<broker::Claim> claims,
                                         std::uint64_t seen, Millis wait) {
  json::object body{{"claims", names_of(claims)}, {"seen", seen}, {"wait_ms", wait.count()}};
  Millis const answer = wait > Millis{0} ? wait + kAnswerMore : options_.lease / 3;
  Call call{.method = "POST", .path = "/heartbeat", .body = std::move(body), .answer = answer};
  auto const orders = co_await send_known(client, std::move(call));
  if (!orders) co_return std::unexpected(orders.error());
  co_return parse_orders(*orders);
}

Task<Result<std::vector<RunId>>> RemoteControl::renew(std::vector<broker::Claim> claims, Millis) {
  auto orders = co_await beat(client_, std::move(claims), 0, Millis{0});
  if (!orders) co_return std::unexpected(orders.error());
  co_return std::move(orders->lost);
}

Task<Status> RemoteControl::send_step(Step const& step, WireStep wire) {
  RunId const run = step.run.id;
  auto const found = lines_.find(run);
  if (found == lines_.end() || found->second->epoch != step.claim.epoch)
    co_return fail(ErrorCode::conflict, "the claim of the run {} is over", run);
  std::shared_ptr<Line> const line = found->second;
  while (line->busy) {
    auto const seen = line->freed.version();
    co_await line->freed.wait(seen);
  }
  // Also freed when the coroutine is cut off in the middle: the number stays used.
  struct Busy {
    Line* line;
    ~Busy() {
      line->busy = false;
      line->freed.notify();
    }
  };
  line->busy = true;
  Busy const busy{line.get()};
  wire.epoch = step.claim.epoch;
  wire.number = ++line->number;
  wire.change = change_of(step.run);
  wire.events = step.events;
  bool const ends = wire.kind == WireStep::Kind::finish || wire.kind == WireStep::Kind::put_back;
  json::object const body = worker::print(wire);
  auto const give_up = steady_clock::now() + options_.lease;
  for (;;) {
    Call call{.method = "POST",
              .path = fmt::format("/runs/{}/steps", run),
              .body = body,
              .answer = std::min(kStepAnswer, options_.lease / 3)};
    auto const answer = co_await send(client_, std::move(call));
    // A server that does not know this worker has lost its claims with it.
    if (!answer && answer.error().code == ErrorCode::not_found)
      co_return fail(ErrorCode::conflict, "{}", answer.error().message);
    bool const again =
        !answer && may_be_sent_again(answer.error().code) && steady_clock::now() < give_up;
    if (!again) {
      if (answer && ends) lines_.erase(run);
      if (!answer) co_return std::unexpected(answer.error());
      co_return Status{};
    }
    log::warn("step-sent-again", {{"run", run}, {"reason", answer.error().text()}});
    co_await pause(kStepRetry);
  }
}

Task<Status> RemoteControl::say_orphaned() {
  json::object body{{"orphan", true}};
  Call call{
      .method = "POST", .path = "/heartbeat", .body = std::move(body), .answer = kLeaveAnswer};
  auto const answer = co_await send(client_, std::move(call));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Status{};
}

void RemoteControl::hand_over(RunId const& run) {
  lines_.erase(run);
}

Task<Status> RemoteControl::lose(broker::Claim claim) {
  std::vector<broker::Claim> claims{std::move(claim)};
  json::object body{{"died", names_of(claims)}};
  Call call{.method = "POST", .path = "/heartbeat", .body = std::move(body), .answer = kStepAnswer};
  auto const answer = co_await send(client_, std::move(call));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Status{};
}

Task<Status> RemoteControl::append(Step step, Room room) {
  if (step.events.empty()) co_return Status{};
  WireStep wire;
  wire.kind = WireStep::Kind::append;
  wire.room = room;
  co_return co_await send_step(step, std::move(wire));
}

Task<Status> RemoteControl::record(Step step, Room room) {
  WireStep wire;
  wire.kind = WireStep::Kind::record;
  wire.room = room;
  co_return co_await send_step(step, std::move(wire));
}

Task<Status> RemoteControl::finish(Step step, SessionRecord session) {
  WireStep wire;
  wire.kind = WireStep::Kind::finish;
  wire.room = Room::of_ends;
  wire.note = std::move(session.note);
  co_return co_await send_step(step, std::move(wire));
}

Task<Status> RemoteControl::put_back(PutBack back) {
  WireStep wire;
  wire.kind = WireStep::Kind::put_back;
  wire.room = Room::of_ends;
  wire.delay = back.delay;
  if (back.failure) wire.failure = back.failure->detail;
  co_return co_await send_step(back.step, std::move(wire));
}

Task<Status> RemoteControl::serve_model(TurnPtr turn, net::HttpRequest request,
                                        net::HttpReply& reply) {
  json::object nothing;
  Call call{.method = "POST",
            .path = fmt::format("/runs/{}/messages?epoch={}&path={}", turn->run.id, turn->run.epoch,
                                net::percent_encode(request.path)),
            .body = std::move(nothing),
            .answer = kModelAnswer};
  net::ClientRequest forward = request_of(call);
  forward.body = std::move(request.body);
  forward.timeouts = {
      .connect = kStepAnswer, .head = kModelAnswer, .idle = kModelAnswer, .total = Millis{0}};
  for (std::string_view const name : {"anthropic-version", "anthropic-beta", "openai-beta"}) {
    auto const* const value = request.header(name);
    if (value != nullptr) forward.headers.add(std::string{name}, *value);
  }
  co_return co_await pass_on(std::move(turn), std::move(forward), reply);
}

// The answer is made at the server, which has the credentials and asks the person.
Task<Status> RemoteControl::serve_mcp(TurnPtr turn, net::HttpRequest request,
                                      net::HttpReply& reply) {
  if (request.method != "POST") co_return co_await McpDesk::refuse_method(reply);
  json::object nothing;
  Call call{.method = "POST",
            .path = fmt::format("/runs/{}/mcp?epoch={}&server={}", turn->run.id, turn->run.epoch,
                                net::percent_encode(gateway::mcp_server_of(request.path))),
            .body = std::move(nothing),
            .answer = kModelAnswer};
  net::ClientRequest forward = request_of(call);
  forward.body = std::move(request.body);
  // The server bounds the call, and keeps the stream alive where the unit takes one.
  forward.timeouts = {
      .connect = kStepAnswer, .head = Millis{0}, .idle = Millis{0}, .total = Millis{0}};
  if (auto const* const accept = request.header("accept"); accept != nullptr)
    forward.headers.add("accept", *accept);
  McpOpen const open{turn};
  co_return co_await pass_on(std::move(turn), std::move(forward), reply);
}

Task<Status> RemoteControl::pass_on(TurnPtr turn, net::ClientRequest forward,
                                    net::HttpReply& reply) {
  auto const opened = co_await client_.open(std::move(forward));
  if (!opened) co_return std::unexpected(opened.error());
  net::ResponseStream& answer = **opened;
  int const status = answer.head().status;
  // A server that does not know this worker has lost its claims with it.
  if (status == http_status(ErrorCode::conflict) || status == http_status(ErrorCode::not_found)) {
    turn->fenced = true;
    turn->changed.notify();
    co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
  }
  net::Headers headers;
  for (std::string_view const name : {"content-type", "retry-after", "retry-after-ms", "request-id",
                                      "x-request-id", "x-should-retry"}) {
    auto const* const value = answer.head().headers.find(name);
    if (value != nullptr) headers.add(std::string{name}, *value);
  }
  auto const begun = co_await reply.begin_stream(status, std::move(headers));
  if (!begun) co_return Status{};
  for (;;) {
    auto piece = co_await answer.read();
    // Cut off in the middle, as the server's is: the unit sees it and asks again.
    if (!piece) co_return Status{};
    if (!*piece) break;
    auto bytes = std::make_shared<std::string const>(std::move(**piece));
    auto const sent = co_await reply.write(std::move(bytes));
    if (!sent) co_return Status{};
  }
  co_await reply.end();
  co_return Status{};
}

}  // namespace drover::worker
