#pragma once
// The user's Node with drover's host program in it (sdk/js/lib), on two pipes: a line of JSON each
// way at a time. The process that it runs is the user's own code; its standard output goes to the
// standard error of drover. Blocking; the destructor ends it.
//
// It is not in a sandbox yet: it runs as whoever runs drover, as the SDK's does. Its descriptors
// are pipes and nothing else of drover's, so that a sandbox can be put around it.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "os/fd.h"
#include "os/process.h"
#include "workflow/host.h"

namespace drover::workflow {

class NativeProcesses;

// What the code of a process sees of drover's own environment. A server's holds credentials, which
// are no business of a workflow's.
enum class HostEnvironment : std::uint8_t {
  inherited,  // all of it
  plain,      // where programs and the home are, the language and the time zone
};

struct HostSpec {
  std::string node = "node";  // a path, or searched in PATH
  std::string cwd;            // empty: this process's
  Millis step{60'000};        // for the code between two looks at the journal
  HostEnvironment environment = HostEnvironment::inherited;
  // For runs of processes in C++; nullptr: this program has none.
  NativeProcesses const* native = nullptr;
};

class HostProcess : public Host {
 public:
  // unsupported: no Node.
  [[nodiscard]] static Result<HostProcess> start(HostSpec const& spec);

  [[nodiscard]] Status write(json::value const& message) override;
  // timeout: the code did not come to rest. upstream: the program ended.
  [[nodiscard]] Result<json::value> read() override;

 private:
  HostProcess(os::Process process, os::Fd in, os::Fd out, Millis step)
      : process_(std::move(process)), in_(std::move(in)), out_(std::move(out)), step_(step) {}
  [[nodiscard]] Error ended();

  os::Process process_;
  os::Fd in_;
  os::Fd out_;
  Millis step_;
  std::string buffer_;
  std::size_t searched_ = 0;
};

// The host program as one text, generated from sdk/js/lib.
[[nodiscard]] std::string_view host_program();

}  // namespace drover::workflow
