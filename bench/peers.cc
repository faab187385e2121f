#include "peers.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/text.h"
#include "machine.h"
#include "os/fd.h"
#include "os/process.h"

namespace drover::bench {

namespace {

constexpr int kOutputWaitMs = 60'000;
constexpr Millis kEndWait{60'000};
// A container takes most of a second.
constexpr int kRepetitions = 30;
constexpr int kContainerRepetitions = 20;

bool runs(std::vector<std::string> argv) {
  os::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = plain_environment("/nonexistent");
  auto process = os::Process::spawn(spec);
  if (!process) return false;
  auto const ended = process->wait(kEndWait);
  return ended && *ended && (*ended)->ok();
}

void add_bwrap(std::string const& unit_program, Report const& report, std::vector<Peer>& peers) {
  auto const program = find_program("bwrap");
  if (!program) return note("left out: bwrap; to have it: apt-get install bubblewrap");
  Peer peer{"bwrap",
            {*program, "--unshare-all", "--die-with-parent", "--ro-bind", unit_program, "/unit",
             "--proc", "/proc", "--dev", "/dev", "/unit", "--version"},
            report.repetitions(kRepetitions)};
  if (!runs(peer.argv))
    return note("left out: bwrap is installed but cannot start a sandbox on this machine");
  peers.push_back(std::move(peer));
}

}  // namespace

std::vector<Peer> start_peers(std::string const& unit_program, Report const& report) {
  std::vector<Peer> peers;
  peers.push_back({"fork-exec", {unit_program, "--version"}, report.repetitions(kRepetitions)});
  add_bwrap(unit_program, report, peers);
  return peers;
}

Peer docker_peer(std::string const& host, std::string const& image, Report const& report) {
  return {
      "docker-run",
      {"docker", "--host", host, "run", "--rm", "--network=none", image, "/bin/echo", "started"},
      report.repetitions(kContainerRepetitions)};
}

Result<double> first_output_ms(std::vector<std::string> const& argv) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe for", argv[0]);
  os::Fd const reading{ends[0]};
  os::Fd writing{ends[1]};
  os::ProcessSpec spec;
  spec.argv = argv;
  spec.env = plain_environment("/nonexistent");
  spec.out = writing.get();
  std::int64_t const start = monotonic_ns();
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  writing.reset();
  pollfd waiting{.fd = reading.get(), .events = POLLIN, .revents = 0};
  int const ready = ::poll(&waiting, 1, kOutputWaitMs);
  std::int64_t const end = monotonic_ns();
  DROVER_TRY(check_interrupt());
  char byte = 0;
  if (ready != 1 || ::read(reading.get(), &byte, 1) != 1)
    return fail(ErrorCode::upstream, "{} printed nothing", printable(argv[0]));
  auto const ended = process->wait(kEndWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended || !(*ended)->ok()) return fail(ErrorCode::upstream, "{} failed", printable(argv[0]));
  return ms_between(start, end);
}

}  // namespace drover::bench
