#pragma once
// What the flows of process.h await: an effect, a recorded value, several branches at once.
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "workflow/flow.h"
#include "workflow/flow_machine.h"
#include "workflow/process.h"

namespace drover::workflow {

class EffectAwait {
 public:
  explicit EffectAwait(EffectCall call) : call_(std::move(call)) {}
  static bool await_ready() noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> flow) {
    FlowPromise& promise = flow.promise();
    promise.machine->ask(std::move(call_), promise.scope, {flow, &result_});
  }
  StepResult await_resume() { return std::move(result_); }

 private:
  EffectCall call_;
  StepResult result_;
};

class RecallAwait {
 public:
  explicit RecallAwait(json::object wanted) : wanted_(std::move(wanted)) {}
  static bool await_ready() noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> flow) {
    static_cast<FlowPromise&>(flow.promise()).machine->recall(std::move(wanted_), flow, &value_);
  }
  json::value await_resume() { return std::move(value_); }

 private:
  json::object wanted_;
  json::value value_;
};

enum class GroupKind : std::uint8_t { all, settled, race, any };

// Branches that run at once, and what they come to together.
class Group : public std::enable_shared_from_this<Group> {
 public:
  Group(GroupKind kind, std::vector<Branch> branches, std::size_t limit)
      : kind_(kind), branches_(std::move(branches)), limit_(limit), left_(branches_.size()) {}

  void begin(FlowPromise& promise, std::coroutine_handle<> waiting);
  void settle(std::size_t index, StepResult result);
  [[nodiscard]] StepResult take() { return std::move(result_); }

 private:
  void start_next();
  void end(StepResult result);
  void decide(std::size_t index, StepResult result);
  [[nodiscard]] StepResult without_branches() const;

  GroupKind kind_;
  std::vector<Branch> branches_;
  std::size_t limit_;
  std::size_t left_;
  std::size_t next_ = 0;
  bool ended_ = false;
  json::array values_;
  std::vector<FlowScope*> scopes_;
  FlowMachine* machine_ = nullptr;
  FlowScope* scope_ = nullptr;
  std::coroutine_handle<> waiting_;
  StepResult result_;
};

class GroupAwait {
 public:
  // Shared with the branches: those that lose a race outlive it.
  explicit GroupAwait(std::shared_ptr<Group> group) : group_(std::move(group)) {}
  static bool await_ready() noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> flow) {
    group_->begin(flow.promise(), flow);
  }
  StepResult await_resume() { return group_->take(); }

 private:
  std::shared_ptr<Group> group_;
};

}  // namespace drover::workflow
