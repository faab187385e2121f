#include "workflow/flow_awaits.h"

#include <exception>

namespace drover::workflow {

namespace {

json::object error_value(ProcessError const& error) {
  json::object value{{"name", error.name}, {"message", error.message}};
  if (!error.data.is_null()) value.emplace("data", error.data);
  return value;
}

Flow<bool> run_branch(std::shared_ptr<Group> group, std::size_t index, Branch branch) {
  StepResult result;
  try {
    result = co_await branch();
  } catch (std::exception const& thrown) {
    result = std::unexpected(ProcessError{"Error", thrown.what(), nullptr});
  }
  group->settle(index, std::move(result));
  co_return true;
}

}  // namespace

StepResult Group::without_branches() const {
  if (kind_ == GroupKind::all || kind_ == GroupKind::settled) return json::array{};
  return std::unexpected(ProcessError{"AggregateError", "there is no branch", nullptr});
}

void Group::begin(FlowPromise& promise, std::coroutine_handle<> waiting) {
  machine_ = promise.machine;
  scope_ = promise.scope;
  waiting_ = waiting;
  values_.resize(branches_.size());
  if (branches_.empty()) return end(without_branches());
  for (std::size_t i = 0; i < limit_ && i < branches_.size(); ++i)
    start_next();
}

void Group::start_next() {
  if (ended_ || next_ >= branches_.size()) return;
  auto const index = next_++;
  scopes_.push_back(machine_->open_scope(scope_));
  machine_->start(run_branch(shared_from_this(), index, branches_[index]), scopes_.back());
}

void Group::settle(std::size_t index, StepResult result) {
  --left_;
  if (ended_) return;
  decide(index, std::move(result));
  start_next();
}

void Group::decide(std::size_t index, StepResult result) {
  switch (kind_) {
    case GroupKind::race:
      return end(std::move(result));
    case GroupKind::any:
      if (result) return end(std::move(result));
      values_[index] = error_value(result.error());
      if (left_ == 0)
        end(std::unexpected(
            ProcessError{"AggregateError", "every branch failed", std::move(values_)}));
      return;
    case GroupKind::all:
      if (!result) return end(std::move(result));
      values_[index] = *std::move(result);
      break;
    case GroupKind::settled:
      values_[index] =
          result ? json::object{{"status", "fulfilled"}, {"value", *result}}
                 : json::object{{"status", "rejected"}, {"reason", error_value(result.error())}};
      break;
  }
  if (left_ == 0) end(std::move(values_));
}

void Group::end(StepResult result) {
  ended_ = true;
  result_ = std::move(result);
  machine_->resume_later(waiting_);
  if (kind_ != GroupKind::race && kind_ != GroupKind::any) return;
  for (auto* const scope : scopes_)
    machine_->cancel(*scope, "another branch was first");
}

}  // namespace drover::workflow
