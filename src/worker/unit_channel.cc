#include "worker/unit_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "gateway/mcp_endpoint.h"
#include "gateway/model_list.h"
#include "gateway/model_proxy.h"
#include "worker/turn_events.h"
#include "worker/unit_token.h"

namespace drover::worker {

namespace {

constexpr std::size_t kModelRequestBytesMax = std::size_t{32} << 20U;
constexpr std::string_view kModelsPath = "/v1/models";
constexpr std::int64_t kInboxWaitMaxMs = 60'000;

net::Headers json_headers() {
  return {{"content-type", "application/json"}};
}

// 0 where it is absent or no number.
std::int64_t number_of(net::HttpRequest const& request, std::string_view name) {
  auto const found = request.query.find(name);
  if (found == request.query.end()) return 0;
  std::int64_t number = 0;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

}  // namespace

UnitChannel::UnitChannel(WorkerParts const& parts, std::string unit,
                         json::object const& description)
    : parts_(parts),
      unit_(std::move(unit)),
      description_(json::serialize(description)),
      egress_(parts),
      inbox_changed_(parts.io.get_executor()) {}

UnitChannel::~UnitChannel() = default;

Status UnitChannel::listen(std::string const& socket_path) {
  net::HttpServerOptions options;
  options.body_bytes_max = kModelRequestBytesMax;
  // A package manager opens many at once.
  options.connections_max = 128;
  options.connect = net::ConnectMethod::handled;
  auto const handler = [this](net::HttpRequest request, net::HttpReply& reply) {
    return handle(std::move(request), reply);
  };
  // Any uid may connect: the folder around the socket is closed to others, and inside the sandbox
  // there is only the unit.
  auto server = net::HttpServer::listen_unix(parts_.io, socket_path, 0666, options, handler);
  if (!server) return std::unexpected(server.error());
  server_ = *std::move(server);
  return {};
}

void UnitChannel::begin(TurnPtr turn) {
  turn_ = std::move(turn);
  interrupt_ = false;
  inbox_changed_.notify();
}

void UnitChannel::interrupt() {
  interrupt_ = true;
  inbox_changed_.notify();
}

void UnitChannel::end() {
  if (turn_ != nullptr) {
    turn_->over = true;
    turn_->changed.notify();  // what waits for a person, waits no longer
  }
  egress_.end();
  turn_.reset();
  interrupt_ = false;
}

Task<void> UnitChannel::close() {
  end();
  if (server_ != nullptr) co_await server_->stop();
}

Task<void> UnitChannel::handle(net::HttpRequest request, net::HttpReply& reply) {
  auto const answered = co_await route(std::move(request), reply);
  if (answered) co_return;
  Error const& error = answered.error();
  // A full disk is logged once, by the reserve; the unit asks again every second.
  if (error.code == ErrorCode::internal)
    log::error("unit-request-failed", {{"unit", unit_}, {"reason", error.text()}});
  co_await reply.send(http_status(error.code), json_headers(), net::error_body(error));
}

Task<Status> UnitChannel::route(net::HttpRequest request, net::HttpReply& reply) {
  net::Headers no_headers;
  if (request.method == "HEAD" && request.path == "/")
    co_return co_await reply.send(200, std::move(no_headers), "");
  // The channel is open while the unit lives, and that renews its token.
  UnitAdmission const admission{unit_, token_id_, gateway::TokenLife::renewed};
  auto const known = check_unit_token(request, parts_.tokens, parts_.clock.now(), admission);
  if (!known) co_return known;
  if (request.method == "CONNECT") {
    TurnPtr turn = turn_;
    if (turn == nullptr || turn->fenced)
      co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
    co_return co_await egress_.connect(std::move(turn), std::move(request), reply);
  }
  std::string const what = request.method + " " + request.path;
  if (what == "GET /v1/unit") co_return co_await reply.send(200, json_headers(), description_);
  if (what == "GET /v1/inbox") co_return co_await inbox(std::move(request), reply);
  if (what == "POST /v1/events") co_return co_await events(std::move(request), reply);
  if (request.method == "POST" && gateway::is_model_path(request.path))
    co_return co_await call_model(std::move(request), reply);
  if (request.method == "GET" && request.path.starts_with(kModelsPath))
    co_return co_await models(std::move(request), reply);
  if (!gateway::mcp_server_of(request.path).empty())
    co_return co_await call_mcp(std::move(request), reply);
  co_return fail(ErrorCode::not_found, "the unit API has no {}", printable(what));
}

json::object UnitChannel::message() const {
  RunRecord const& run = turn_->run;
  json::object limits;
  limits["max_turns"] = run.limits.max_turns.value_or(parts_.options.turns_max);
  return {{"type", "message"},
          {"turn_id", json::string{run.id.str()}},
          {"run", json::string{run.id.str()}},
          {"epoch", run.epoch},
          {"prompt", json::string{turn_->prompt}},
          {"model", json::string{turn_->model.route.model}},
          {"limits", std::move(limits)}};
}

Task<Status> UnitChannel::inbox(net::HttpRequest request, net::HttpReply& reply) {
  auto const deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds{std::clamp<std::int64_t>(
                                             number_of(request, "wait_ms"), 0, kInboxWaitMaxMs)};
  bool gone = false;
  reply.on_peer_gone([this, &gone] {
    gone = true;
    inbox_changed_.notify();
  });
  while (!gone) {
    auto const seen = inbox_changed_.version();
    if (turn_ != nullptr && !turn_->accepted)
      co_return co_await reply.send(200, json_headers(), json::serialize(message()));
    if (interrupt_) {
      interrupt_ = false;
      co_return co_await reply.send(200, json_headers(), R"({"type":"interrupt"})");
    }
    if (std::chrono::steady_clock::now() >= deadline) break;
    co_await inbox_changed_.wait(seen, deadline);
  }
  net::Headers no_headers;
  co_return co_await reply.send(204, std::move(no_headers), "");
}

Task<Status> UnitChannel::events(net::HttpRequest request, net::HttpReply& reply) {
  TurnPtr const turn = turn_;
  if (turn == nullptr || turn->fenced)
    co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
  // A unit whose connection broke sends its batch again, not knowing whether it arrived.
  std::int64_t const number = number_of(request, "batch");
  if (number > 0 && number <= batch_stored_)
    co_return co_await reply.send(200, json_headers(), R"({"accepted":0})");
  if (number > 0 && number <= batch_taken_)
    co_return fail(ErrorCode::unavailable, "the batch {} is being stored", number);
  auto batch = read_unit_batch(request.body, turn->run.id, Epoch{turn->run.epoch});
  if (!batch) co_return std::unexpected(batch.error());
  if (number > 0) batch_taken_ = number;
  std::size_t const count = batch->drafts.size();
  auto const stored = co_await store_unit_batch(parts_, turn, *std::move(batch));
  if (!stored) {
    batch_taken_ = batch_stored_;
    co_return stored;
  }
  if (number > 0) batch_stored_ = number;
  co_return co_await reply.send(200, json_headers(), fmt::format(R"({{"accepted":{}}})", count));
}

// Some programs ask what there is before they ask for anything.
Task<Status> UnitChannel::models(net::HttpRequest request, net::HttpReply& reply) {
  if (turn_ == nullptr || turn_->fenced)
    co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
  std::string const& model = turn_->model.route.model;
  if (request.path == kModelsPath)
    co_return co_await reply.send(200, json_headers(), gateway::model_list(model));
  if (request.path == fmt::format("{}/{}", kModelsPath, model))
    co_return co_await reply.send(200, json_headers(), gateway::model_entry(model));
  co_return fail(ErrorCode::not_found, "this run uses the model {} and no other", model);
}

Task<Status> UnitChannel::call_model(net::HttpRequest request, net::HttpReply& reply) {
  TurnPtr turn = turn_;
  if (turn == nullptr || turn->fenced)
    co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
  co_return co_await parts_.control.serve_model(std::move(turn), std::move(request), reply);
}

Task<Status> UnitChannel::call_mcp(net::HttpRequest request, net::HttpReply& reply) {
  TurnPtr turn = turn_;
  if (turn == nullptr || turn->fenced)
    co_return fail(ErrorCode::conflict, "this unit has no turn: another attempt has taken over");
  co_return co_await parts_.control.serve_mcp(std::move(turn), std::move(request), reply);
}

}  // namespace drover::worker
