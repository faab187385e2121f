#pragma once
// The user's Node with drover's host program in it (sdk/js/lib), on two pipes: a line of JSON each
// way at a time. The process that it runs is the user's own code; its standard output goes to the
// standard error of drover. Blocking; the destructor ends it.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "os/fd.h"
#include "workflow/host.h"
#include "workflow/host_program.h"

namespace drover::workflow {

class NativeProcesses;

struct HostSpec {
  std::string node = "node";  // a path, or searched in PATH
  Millis step{60'000};        // for the code between two looks at the journal
  // Shared by all who start hosts. nullptr: Node runs as whoever runs this program, outside any
  // sandbox.
  std::shared_ptr<HostLauncher> launcher{};
  // Readable: nobody waits for a process any more that has not come to rest.
  int stop_fd = -1;
  // For runs of processes in C++; nullptr: this program has none.
  NativeProcesses const* native = nullptr;
};

class HostProcess : public Host {
 public:
  // unsupported: no Node, or no sandbox for it.
  [[nodiscard]] static Result<HostProcess> start(HostSpec const& spec, HostPlace place);

  [[nodiscard]] Status write(json::value const& message) override;
  // timeout: the code did not come to rest. upstream: the program ended. cancelled: see stop_fd.
  [[nodiscard]] Result<json::value> read() override;

 private:
  HostProcess(std::unique_ptr<HostProgram> program, os::Fd in, os::Fd out, HostSpec const& spec)
      : program_(std::move(program)),
        in_(std::move(in)),
        out_(std::move(out)),
        step_(spec.step),
        stop_fd_(spec.stop_fd) {}
  [[nodiscard]] Status wait_for_more() const;
  [[nodiscard]] Error ended();

  std::unique_ptr<HostProgram> program_;
  os::Fd in_;
  os::Fd out_;
  Millis step_;
  int stop_fd_;
  std::string buffer_;
  std::size_t searched_ = 0;
};

// The host program as one text, generated from sdk/js/lib.
[[nodiscard]] std::string_view host_program();

}  // namespace drover::workflow
