#pragma once
// A Host for processes that are flows (process.h), in this program: no Node, no other process. One
// thread, and nothing in it waits.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "workflow/flow_machine.h"
#include "workflow/host.h"
#include "workflow/process.h"

namespace drover::workflow {

// The processes of a program, by name. A run executes one as the entry point "native:NAME".
inline constexpr std::string_view kNativePrefix = "native:";
class NativeProcesses {
 public:
  void add(std::string name, Process process) {
    processes_.insert_or_assign(std::move(name), std::move(process));
  }
  // not_found names those that there are.
  [[nodiscard]] Result<Process> find(std::string_view name) const;

 private:
  std::map<std::string, Process, std::less<>> processes_;
};

class NativeHost : public Host {
 public:
  explicit NativeHost(Process process) : process_(std::move(process)) {}

  [[nodiscard]] Status write(json::value const& message) override;
  [[nodiscard]] Result<json::value> read() override;

 private:
  [[nodiscard]] Status start(json::object const& said);
  void take_turn();
  [[nodiscard]] json::object answer(json::object const& query) const;

  Process process_;
  // Before the machine, whose flows refer to it.
  std::unique_ptr<ProcessContext> context_;
  std::unique_ptr<FlowMachine> machine_;
  FlowScope* scope_ = nullptr;
  std::optional<json::value> said_;  // what read() gives
};

}  // namespace drover::workflow
