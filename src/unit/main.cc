// drover-unit: serves one session inside a sandbox. docs/unit-api.md is what it speaks.
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.h"
#include "unit/egress_relay.h"
#include "unit/resident.h"
#include "unit/unit.h"
#include "unit/wait_for_start.h"

namespace {

constexpr char const* kTokenVariable = "DROVER_AGENT_IDENTITY_TOKEN";
constexpr char const* kTokenVariableToo = "VEXA_AGENT_IDENTITY_TOKEN";  // the contract's own name

int usage(int status) {
  std::fputs(
      "drover-unit serves one agent session inside a sandbox; drover starts it.\n"
      "It reads DROVER_UNIT_SOCKET and DROVER_AGENT_IDENTITY_TOKEN.\n"
      "  --wait FIFO        read the environment from there first, once somebody writes it\n"
      "  --resident FOLDER  serve no session, and start units as resident.sock there says\n"
      "  --version          print the version\n",
      status == 0 ? stdout : stderr);
  return status;
}

// The agent's commands run as the same user: they must read neither this process's memory nor, from
// their own environment, its token.
void hide() {
  ::prctl(PR_SET_DUMPABLE, 0);
  // Orphans of the agent's commands come to us also where we are not pid 1.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int signal_descriptor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int run_resident_program(std::string const& folder, std::string const& program) {
  int const signals = signal_descriptor();
  if (signals < 0) {
    drover::log::error("resident-without-signals");
    return 1;
  }
  drover::SystemClock const clock;
  drover::unit::ResidentPlace const place{folder + "/resident.sock", program};
  return drover::unit::run_resident(place, DROVER_VERSION, clock, signals);
}

drover::Secret take_token() {
  char const* const value = ::getenv(kTokenVariable);
  drover::Secret token{value == nullptr ? "" : value};
  ::unsetenv(kTokenVariable);
  ::unsetenv(kTokenVariableToo);
  return token;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view{argv[1]} == "--version") {
    std::puts("drover-unit " DROVER_VERSION);
    return 0;
  }
  if (argc == 2 && std::string_view{argv[1]} == "--help") return usage(0);
  bool const resident = argc == 3 && std::string_view{argv[1]} == "--resident";
  bool const ahead_of_need = argc == 3 && std::string_view{argv[1]} == "--wait";
  if (argc != 1 && !ahead_of_need && !resident) return usage(2);
  hide();
  if (resident) return run_resident_program(argv[2], argv[0]);
  if (ahead_of_need) {
    if (auto const began = drover::unit::wait_for_start(argv[2]); !began) {
      drover::log::error("unit-not-started", {{"reason", began.error().text()}});
      return 2;
    }
  }
  // One arena: a unit has threads only for moments. Large buffers (a request holds the whole
  // history) go back to the kernel at once, so that a growing one leaves no trail of holes in the
  // heap.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
  drover::unit::Endpoint endpoint;
  char const* const socket_path = ::getenv("DROVER_UNIT_SOCKET");
  endpoint.socket_path = socket_path == nullptr ? "/run/drover/unit.sock" : socket_path;
  endpoint.token = take_token();
  if (endpoint.token.empty()) {
    drover::log::error("unit-without-token", {{"next", "set DROVER_AGENT_IDENTITY_TOKEN"}});
    return 2;
  }
  // Before the signals are blocked, which a child would inherit.
  if (char const* const port = ::getenv("DROVER_EGRESS_PORT"); port != nullptr) {
    auto const relay =
        drover::unit::start_egress_relay(endpoint, static_cast<std::uint16_t>(std::atoi(port)));
    if (!relay) {
      drover::log::error("egress-relay-failed", {{"reason", relay.error().text()}});
      return 1;
    }
  }
  int const signals = signal_descriptor();
  if (signals < 0) {
    drover::log::error("unit-without-signals");
    return 1;
  }
  drover::SystemClock const clock;
  drover::SystemRandom random;
  return drover::unit::run_unit(endpoint, clock, random, signals);
}
