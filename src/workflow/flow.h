#pragma once
// The coroutine that a process in C++ is made of. A flow begins when it is awaited, and goes on
// when what it awaits has come; nobody blocks. Everything runs on one thread, in an order that
// depends on nothing but the journal.
#include <coroutine>
#include <exception>
#include <expected>
#include <optional>
#include <string>
#include <utility>

#include "base/json.h"

namespace drover::workflow {

// How an effect, or a process, failed.
struct ProcessError {
  std::string name = "Error";
  std::string message{};
  json::value data{};
};
using StepResult = std::expected<json::value, ProcessError>;

class FlowMachine;
struct FlowScope;

// What every flow carries: whose it is, and what a cancellation reaches.
struct FlowPromise {
  FlowMachine* machine = nullptr;
  FlowScope* scope = nullptr;
  std::coroutine_handle<> continuation{};
  std::exception_ptr thrown{};

  void inherit(FlowPromise const& parent, std::coroutine_handle<> next) {
    machine = parent.machine;
    scope = parent.scope;
    continuation = next;
  }
};

// Told by the machine's implementation: this flow has come to its end, and nobody awaits it.
void flow_ended(FlowPromise& promise, std::coroutine_handle<> handle) noexcept;

template <class T>
class [[nodiscard]] Flow {
 public:
  struct promise_type : FlowPromise {
    std::optional<T> value;

    Flow get_return_object() {
      return Flow{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    static std::suspend_always initial_suspend() noexcept { return {}; }
    static auto final_suspend() noexcept { return End{}; }
    void return_value(T result) { value.emplace(std::move(result)); }
    void unhandled_exception() { thrown = std::current_exception(); }
  };

  Flow(Flow&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Flow& operator=(Flow&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Flow() {
    if (handle_) handle_.destroy();
  }

  // It is awaited itself.
  static bool await_ready() noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) {
    handle_.promise().inherit(parent.promise(), parent);
    return handle_;
  }
  T await_resume() {
    if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
    return std::move(*handle_.promise().value);
  }
  // For the machine: the frame is then its own to destroy.
  [[nodiscard]] std::coroutine_handle<promise_type> release() {
    return std::exchange(handle_, nullptr);
  }

 private:
  using Handle = std::coroutine_handle<promise_type>;

  struct End {
    static bool await_ready() noexcept { return false; }
    static std::coroutine_handle<> await_suspend(Handle handle) noexcept {
      if (auto const next = handle.promise().continuation) return next;
      flow_ended(handle.promise(), handle);
      return std::noop_coroutine();
    }
    static void await_resume() noexcept {}
  };

  explicit Flow(Handle handle) : handle_(handle) {}
  Handle handle_;
};

}  // namespace drover::workflow
