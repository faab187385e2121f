#pragma once
// For tests of this layer and above: real waiting, a sink that remembers, and the scripted model in
// place of a connection. Not linked into any program.
#include <poll.h>
#include <stdlib.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "model/model_stream.h"
#include "model/scripted.h"
#include "os/files.h"

namespace drover::agent::testing {

// A folder that goes away with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = "/tmp/drover-agent-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { static_cast<void>(os::remove_tree(path_)); }
  TempFolder(TempFolder const&) = delete;
  TempFolder& operator=(TempFolder const&) = delete;
  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string{name};
  }

 private:
  std::string path_;
};

class PollWaiter final : public Waiter {
 public:
  explicit PollWaiter(Clock const& clock) : clock_(&clock) {}
  Wake wait(std::span<pollfd> descriptors, BootTime deadline) override {
    if (interrupted()) return Wake::interrupted;
    BootTime until = deadline;
    if (interrupt_at) until = std::min(until, *interrupt_at);
    auto const left =
        std::max<std::int64_t>(std::chrono::ceil<Millis>(until - clock_->boot_now()).count(), 0);
    int const ready = ::poll(descriptors.data(), descriptors.size(), static_cast<int>(left));
    if (interrupted()) return Wake::interrupted;
    return ready > 0 ? Wake::ready : Wake::deadline;
  }
  [[nodiscard]] bool superseded() const override { return interrupted() && by_another; }
  std::optional<BootTime> interrupt_at;
  bool by_another = false;

 private:
  [[nodiscard]] bool interrupted() const {
    return interrupt_at && clock_->boot_now() >= *interrupt_at;
  }
  Clock const* clock_;
};

class RecordingSink final : public EventSink {
 public:
  void text_delta(std::string_view text) override { add("text", text); }
  void thinking_delta(std::string_view text) override { add("thinking", text); }
  void tool_call(model::ToolCall const& call) override { add("call", call.name); }
  void tool_result(ToolResult const& result) override {
    add(result.ok ? "ok" : "error-result", result.summary);
  }
  void retry(int attempt, Millis, std::string_view) override {
    add("retry", std::to_string(attempt));
  }
  void error(std::string_view message) override { add("error", message); }
  void question(std::string_view /*call_id*/, Question const& question) override {
    add("question", question.text);
  }
  void done(TurnOutcome const& outcome) override { add("done", to_string(outcome.reason)); }

  struct Seen {
    std::string type;
    std::string text;
  };
  std::vector<Seen> seen;
  [[nodiscard]] std::vector<std::string> texts(std::string_view type) const {
    std::vector<std::string> out;
    for (Seen const& one : seen)
      if (one.type == type) out.push_back(one.text);
    return out;
  }
  [[nodiscard]] std::string types() const {
    std::string out;
    for (Seen const& one : seen)
      out += (out.empty() ? "" : " ") + one.type;
    return out;
  }

 private:
  void add(std::string_view type, std::string_view text) {
    seen.push_back({std::string{type}, std::string{text}});
  }
};

// Carries out the plans of a script in this process, keeping what was asked.
class ScriptedClient final : public ModelClient {
 public:
  ScriptedClient(std::string_view script, Waiter& waiter, Clock const& clock)
      : script_(*model::ScriptedModel::parse(script)), waiter_(&waiter), clock_(&clock) {}

  std::expected<model::Response, model::Failure> call(std::string body,
                                                      OnItem const& on_item) override {
    auto const plan = script_.answer(body, "test", attempts_);
    requests.push_back(std::move(body));
    model::ModelStream stream;
    int status = 200;
    std::string refusal;
    std::string retry_after_ms;
    for (model::PlanStep const& step : plan) {
      switch (step.kind) {
        case model::PlanStep::Kind::wait:
          if (waiter_->wait({}, clock_->boot_now() + step.wait) == Wake::interrupted)
            return failed(model::Failure::Kind::interrupted);
          break;
        case model::PlanStep::Kind::head:
          status = step.status;
          for (auto const& [name, value] : step.headers)
            if (name == "retry-after-ms") retry_after_ms = value;
          break;
        case model::PlanStep::Kind::bytes: {
          if (status != 200) {
            refusal += step.bytes;
            break;
          }
          std::vector<model::StreamItem> items;
          auto const fed = stream.feed(step.bytes, items);
          for (auto const& item : items)
            on_item(item);
          if (!fed) return std::unexpected(fed.error());
          break;
        }
        case model::PlanStep::Kind::cut:
          return failed(model::Failure::Kind::cut);
        case model::PlanStep::Kind::hang:
          return failed(waiter_->wait({}, clock_->boot_now() + hang_max) == Wake::interrupted
                            ? model::Failure::Kind::interrupted
                            : model::Failure::Kind::timeout);
      }
    }
    if (status != 200)
      return std::unexpected(model::failure_from_response(status, refusal, "", retry_after_ms));
    return stream.finish();
  }

  std::vector<std::string> requests;
  Millis hang_max{50};

 private:
  static std::unexpected<model::Failure> failed(model::Failure::Kind kind) {
    model::Failure failure;
    failure.kind = kind;
    failure.message = "as scripted";
    return std::unexpected(std::move(failure));
  }
  model::ScriptedModel script_;
  model::ScriptedAttempts attempts_;
  Waiter* waiter_;
  Clock const* clock_;
};

}  // namespace drover::agent::testing
