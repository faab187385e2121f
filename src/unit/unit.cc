#include "unit/unit.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "agent/mcp_tool.h"
#include "base/log.h"
#include "base/text.h"
#include "runner/runner.h"
#include "unit/gateway_mcp.h"
#include "unit/gateway_model.h"

namespace drover::unit {

namespace {

constexpr Millis kDescribeWithin{10'000};
constexpr Millis kDescribePause{20};
constexpr Millis kDrainWithin{30'000};

// Writes a turn's events in the unit API's form.
class UnitSink final : public agent::EventSink {
 public:
  explicit UnitSink(Switchboard& switchboard) : switchboard_(&switchboard) {}
  void begin(std::string turn_id, std::string session) {
    turn_id_ = std::move(turn_id);
    session_ = std::move(session);
  }

  void text_delta(std::string_view text) override {
    switchboard_->emit_delta("message-delta", turn_id_, text);
  }
  void thinking_delta(std::string_view text) override {
    switchboard_->emit_delta("thinking-delta", turn_id_, text);
  }
  void tool_call(model::ToolCall const& call) override {
    switchboard_->emit(tool_call_event(turn_id_, call));
  }
  void tool_result(ToolResult const& result) override {
    switchboard_->emit(tool_result_event(turn_id_, result));
    // No tool runs now, so every child that has ended is an orphan left to the unit.
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  void retry(int attempt, Millis wait, std::string_view reason) override {
    switchboard_->emit(retry_event(turn_id_, attempt, wait, reason));
  }
  void question(std::string_view call_id, agent::Question const& question) override {
    switchboard_->emit(question_event(turn_id_, call_id, question));
  }
  void error(std::string_view message) override {
    switchboard_->emit(error_event(turn_id_, message));
  }
  void done(agent::TurnOutcome const& outcome) override {
    switchboard_->emit(done_event(turn_id_, session_, outcome));
  }

 private:
  Switchboard* switchboard_;
  std::string turn_id_;
  std::string session_;
};

class Unit {
 public:
  Unit(Endpoint const& endpoint, Clock const& clock, Random& random, int signals)
      : endpoint_(&endpoint),
        clock_(&clock),
        random_(&random),
        switchboard_(endpoint, clock, signals),
        model_(endpoint, clock, switchboard_),
        mcp_(endpoint, clock, switchboard_),
        sink_(switchboard_) {}

  int run() {
    auto description = describe();
    if (!description) {
      log::error("unit-not-described", {{"error", description.error().text()}});
      return fenced_ ? 0 : 1;
    }
    description_ = *std::move(description);
    log::info("unit-started", {{"unit", description_.unit}, {"session", description_.session}});
    serve();
    return farewell();
  }

 private:
  // The server may still be starting, or be restarting: try for a while.
  Result<UnitDescription> describe() {
    BootTime const deadline = clock_->boot_now() + kDescribeWithin;
    for (;;) {
      auto description = ask_description(deadline);
      if (description || description.error().code != ErrorCode::unavailable) return description;
      if (clock_->boot_now() + kDescribePause >= deadline) return description;
      std::this_thread::sleep_for(kDescribePause);
    }
  }

  Result<UnitDescription> ask_description(BootTime deadline) {
    auto client = net::UnixClient::open(endpoint_->socket_path, *clock_);
    if (!client) return std::unexpected(client.error());
    auto const reply = client->request("GET", "/v1/unit", endpoint_->headers(), {}, deadline);
    if (!reply) return std::unexpected(reply.error());
    if (reply->status == 200) return parse_description(reply->body);
    fenced_ = reply->status == 409;
    return fail(reply->status >= 500 ? ErrorCode::unavailable : ErrorCode::upstream,
                "GET /v1/unit was answered with status {}: {}", reply->status,
                printable(reply->body, 200));
  }

  void serve() {
    for (;;) {
      BootTime const idle_until = clock_->boot_now() + std::chrono::seconds{description_.idle_s};
      auto const item = switchboard_.next_message(idle_until);
      if (!item) return;
      serve_turn(*item);
    }
  }

  void serve_turn(InboxItem const& item) {
    switchboard_.turn_begins(item.turn_id);
    sink_.begin(item.turn_id, description_.session);
    // Before anything that takes time: whoever waits learns that the turn is in hands.
    switchboard_.emit(turn_accepted_event(item.turn_id, item.nonce));
    if (load_runner()) {
      agent::TurnRequest const request{item.turn_id, item.prompt, item.model, item.turns_max};
      static_cast<void>(runner_->run_turn(request));
      if (!mcp_complete_) runner_.reset();
    }
    if (!switchboard_.drain(clock_->boot_now() + kDrainWithin))
      log::warn("events-not-acknowledged", {{"turn", item.turn_id}});
    switchboard_.turn_ends();
  }

  // On failure the turn has ended with its error, and the next one tries again.
  bool load_runner() {
    if (runner_ != nullptr) return true;
    runner::RunnerOptions options;
    options.runner = description_.runner;
    options.session = description_.session;
    options.session_dir = description_.session_dir;
    options.cwd = description_.cwd;
    options.system = description_.system;
    options.model = description_.model;
    options.tools = description_.tools;
    options.more_tools = mcp_tools();
    options.tokens_max = description_.tokens_max;
    agent::Loop::Ports const ports{&model_, &sink_, &switchboard_, clock_, random_};
    auto runner = runner::make_runner(std::move(options), ports);
    if (runner) {
      runner_ = *std::move(runner);
      return true;
    }
    agent::TurnOutcome outcome;
    outcome.reason = agent::DoneReason::session_error;
    outcome.detail = runner.error().text();
    sink_.error(outcome.detail);
    sink_.done(outcome);
    return false;
  }

  // Those that are there; the user reads of the others, and the next turn looks again.
  agent::Tools mcp_tools() {
    agent::Tools tools;
    mcp_complete_ = true;
    for (std::string const& server : description_.mcp) {
      auto const listed = mcp_.ask(server, "tools/list", {});
      if (!listed) {
        mcp_complete_ = false;
        sink_.error(fmt::format("the tools of the MCP server {} are not there: {}", server,
                                listed.error().text()));
        continue;
      }
      agent::McpTools made = agent::make_mcp_tools(mcp_, server, *listed);
      for (auto& tool : made.tools)
        tools.push_back(std::move(tool));
      for (std::string const& sentence : made.left_out)
        sink_.error(sentence);
    }
    return tools;
  }

  int farewell() {
    switch (switchboard_.fate()) {
      case Fate::running:
        log::info("unit-idle", {{"idle_s", description_.idle_s}});
        return 0;
      case Fate::stopped:
        log::info("unit-stopped", {{"why", switchboard_.fate_reason()}});
        return 0;
      case Fate::fenced:
        log::info("unit-fenced", {{"why", switchboard_.fate_reason()}});
        return 0;
      case Fate::lost:
        log::error("unit-lost", {{"why", switchboard_.fate_reason()}});
        return 1;
    }
    return 1;
  }

  Endpoint const* endpoint_;
  Clock const* clock_;
  Random* random_;
  Switchboard switchboard_;
  GatewayModel model_;
  GatewayMcp mcp_;
  UnitSink sink_;
  UnitDescription description_;
  std::unique_ptr<runner::Runner> runner_;
  bool mcp_complete_ = true;
  bool fenced_ = false;
};

}  // namespace

int run_unit(Endpoint const& endpoint, Clock const& clock, Random& random, int signals) {
  return Unit{endpoint, clock, random, signals}.run();
}

}  // namespace drover::unit
