#pragma once
// Runs the flows of one process, and turns what they ask for into the turns of a Host. One thread;
// see process.h for what a process is given.
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "workflow/flow.h"

namespace drover::workflow {

// What a cancellation reaches: the effects that were asked for in it and are open.
struct FlowScope {
  FlowScope* parent = nullptr;
  bool cancelled = false;
  std::set<std::uint64_t> effects{};
};

// A call that becomes an effect.
struct EffectCall {
  std::string kind;  // as execution.h knows it: "task", "breakpoint", "sleep", …
  std::string task_id;
  std::string label{};
  std::string key{};
  std::optional<json::value> arguments{};
  std::optional<json::value> hashed{};  // of the arguments, what is the same in every replay
  json::object definition{};
  std::optional<std::int64_t> until_ms{};
  std::string signal{};
  bool stamped = false;  // its arguments get the time at which it was asked for
  std::string where{};   // FILE:LINE
};

class FlowMachine {
 public:
  FlowMachine() = default;
  ~FlowMachine();
  FlowMachine(FlowMachine const&) = delete;
  FlowMachine& operator=(FlowMachine const&) = delete;

  // A flow that nobody awaits. The machine destroys it.
  template <class T>
  void start(Flow<T> flow, FlowScope* scope) {
    auto const handle = flow.release();
    handle.promise().machine = this;
    handle.promise().scope = scope;
    own(handle);
    ready_.push_back(handle);
  }
  // Until every flow waits. Then turn() has what they asked for.
  void run();
  [[nodiscard]] json::object turn();
  [[nodiscard]] bool recalls() const { return recall_.has_value(); }

  // Replies to a turn.
  void give_recalled(json::value value);
  void give(json::object const& result);
  // Describes effects that are new; a recall comes first where one of them is stamped.
  void describe(json::array const& fresh);
  [[nodiscard]] std::string where(std::uint64_t n) const;

  // For awaitables.
  struct Waiting {
    std::coroutine_handle<> flow;
    StepResult* result;
  };
  void ask(EffectCall call, FlowScope* scope, Waiting waiting);
  void recall(json::object wanted, std::coroutine_handle<> flow, json::value* value);
  void resume_later(std::coroutine_handle<> flow) { ready_.push_back(flow); }
  [[nodiscard]] FlowScope* open_scope(FlowScope* parent);
  void cancel(FlowScope& scope, std::string const& reason);

  void log(std::string_view label, std::string_view message);
  // What the process came to; the first one counts.
  void finish(json::object done);
  [[nodiscard]] bool is_done() const { return !done_.empty(); }

 private:
  friend void flow_ended(FlowPromise& promise, std::coroutine_handle<> handle) noexcept;
  struct Open {
    EffectCall call;
    FlowScope* scope;
    Waiting waiting;
  };
  struct Recall {
    json::object wanted;
    std::coroutine_handle<> flow;
    json::value* value;
    bool said = false;
  };
  void own(std::coroutine_handle<> handle) { flows_.insert(handle.address()); }
  void bury();
  void close(std::uint64_t n, FlowScope* scope);
  void define(json::array const& fresh, std::string const& stamp);

  std::deque<std::coroutine_handle<>> ready_;
  std::set<void*> flows_;                        // started, and not at their end
  std::vector<std::coroutine_handle<>> at_end_;  // to be destroyed
  std::deque<FlowScope> scopes_;
  std::map<std::uint64_t, Open> open_;
  std::uint64_t asked_ = 0;
  std::int64_t logged_ = 0;
  json::array asks_;
  json::array definitions_;
  json::array cancels_;
  json::array logs_;
  std::optional<Recall> recall_;
  json::array undescribed_;  // until the time of their stamp is known
  json::object done_;
};

}  // namespace drover::workflow
