#pragma once
// The native agent loop: history -> request -> stream -> tool calls -> results -> … until the model
// has done, a limit is reached or somebody interrupts. One turn at a time, on one thread; read-only
// tools of one answer run beside each other on threads that end before the turn goes on.
// The history is never sent with a tool call that has no result, whatever happened before.
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "agent/tool.h"
#include "agent/transcript.h"
#include "base/random.h"
#include "model/messages.h"
#include "model/retry.h"

namespace drover::agent {

struct LoopOptions {
  std::string system;
  std::string model;
  std::string cwd;  // absolute
  std::string session;
  std::int64_t tokens_max = 8192;
  int same_failure_max = 5;      // the same call with the same error in a row ends the turn
  int continuations_max = 3;     // of an answer that the token limit cut
  std::size_t calls_max = 128;   // tool calls in one answer; further ones get an error result
  std::size_t parallel_max = 4;  // read-only tools at once
  model::RetryPolicy retry;
};

struct TurnRequest {
  std::string turn_id;
  std::string prompt;
  std::string model;  // empty: the session's
  int turns_max = 50;
};

class Loop {
 public:
  // All are borrowed and outlive the loop.
  struct Ports {
    ModelClient* model = nullptr;
    EventSink* sink = nullptr;
    Waiter* waiter = nullptr;
    Clock const* clock = nullptr;
    Random* random = nullptr;
  };
  Loop(LoopOptions options, Tools tools, Transcript transcript, Ports ports);

  // Runs one turn and tells the sink, with `done` last and exactly once. A turn that this session
  // ended before is only reported again; one that a killed process began is gone on with.
  TurnOutcome run_turn(TurnRequest const& request);

 private:
  using Ending = std::optional<TurnOutcome>;  // nullopt: go on
  struct CallRun {
    model::ToolCall const* call = nullptr;
    ToolReply reply = {};
    Millis took{0};
    bool done = false;
  };
  struct Turn {
    std::string id;
    int turns_max = 0;
    int turns = 0;
    int continuations = 0;
    std::string reply;
  };

  [[nodiscard]] TurnOutcome drive(TurnRequest const& request);
  [[nodiscard]] Ending begin(TurnRequest const& request, Turn& turn);
  [[nodiscard]] Status close_open_calls(TurnRequest const& request);
  [[nodiscard]] Ending step(Turn& turn);
  [[nodiscard]] Ending after_answer(Turn& turn, model::Response const& response);
  [[nodiscard]] Ending end_of_answer(Turn& turn, model::Response const& response);
  [[nodiscard]] Ending continue_answer(Turn& turn);

  [[nodiscard]] std::expected<model::Response, model::Failure> call_model();
  [[nodiscard]] TurnOutcome after_failure(Turn const& turn, model::Failure const& failure);
  [[nodiscard]] Status keep_partial_answer(Turn const& turn);

  [[nodiscard]] Ending ask(Turn const& turn, std::vector<CallRun> const& runs);
  [[nodiscard]] Ending run_tools(Turn& turn, std::vector<model::ToolCall> const& calls);
  [[nodiscard]] Status run_batch(std::vector<CallRun>& runs, std::size_t begin, std::size_t end);
  void run_beside(std::vector<CallRun>& runs, std::size_t begin, std::size_t end);
  [[nodiscard]] Status run_alone(CallRun& run);
  [[nodiscard]] ToolReply run_one(model::ToolCall const& call, ToolScope& scope);
  [[nodiscard]] ToolScope make_scope(model::ToolCall const& call);
  [[nodiscard]] Tool* find_tool(std::string_view name) const;
  [[nodiscard]] ToolKind kind_of(model::ToolCall const& call) const;
  [[nodiscard]] bool repeats_failure(CallRun const& run);

  [[nodiscard]] Status add_user(std::string_view turn_id, UserKind kind, std::string_view text);
  [[nodiscard]] bool interrupted();
  [[nodiscard]] TurnOutcome outcome(Turn const& turn, DoneReason reason, std::string detail) const;
  [[nodiscard]] TurnOutcome failed(Turn const& turn, Error const& error) const;

  LoopOptions options_;
  Tools tools_;
  Transcript transcript_;
  Ports ports_;
  model::RequestBuilder builder_;
  std::string cwd_;
  std::atomic<bool> stop_{false};
  // Of the process before this one, used by the first turn.
  std::vector<Transcript::OpenCall> open_calls_;
  Transcript::LastTurn last_;
  std::string notice_;
  // Loop detection.
  std::string failure_key_;
  int failure_count_ = 0;
  std::string partial_text_;  // of the call under way
  bool fenced_ = false;       // a model call was refused: another attempt has the turn
};

}  // namespace drover::agent
