#include "cli/stop_signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace drover::cli {

Result<StopSignals> StopSignals::take() {
  sigset_t wanted;
  sigset_t before;
  sigemptyset(&wanted);
  for (int const number : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&wanted, number);
  os::Fd fd{::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd.valid()) return fail_errno("wait for", "signals");
  ::pthread_sigmask(SIG_BLOCK, &wanted, &before);
  return StopSignals{std::move(fd), before};
}

StopSignals::~StopSignals() {
  if (!fd_.valid()) return;
  // What has come has been heeded, and must not end the process now.
  signalfd_siginfo taken{};
  while (::read(fd_.get(), &taken, sizeof taken) == sizeof taken) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace drover::cli
