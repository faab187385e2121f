#include "cli/interrupt.h"

#include <time.h>

#include "base/check.h"

namespace drover::cli {

namespace {

constexpr Millis kLook{20};

std::atomic<bool> interrupted{false};
std::atomic<int> presses{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void count_press(int) {
  presses.fetch_add(1);
  interrupted.store(true);
}

}  // namespace

InterruptWatch::InterruptWatch() {
  interrupted.store(false);
  presses.store(0);
  struct sigaction action{};
  action.sa_handler = count_press;
  ::sigemptyset(&action.sa_mask);
  // Writes of a transcript go on; blocking calls look at the flag.
  action.sa_flags = SA_RESTART;
  DROVER_CHECK(::sigaction(SIGINT, &action, &previous_) == 0);
}

InterruptWatch::~InterruptWatch() {
  ::sigaction(SIGINT, &previous_, nullptr);
}

std::atomic<bool> const& InterruptWatch::flag() {
  return interrupted;
}

bool InterruptWatch::pressed_again_within(Millis window) {
  for (Millis left = window; left > Millis{0}; left -= kLook) {
    if (presses.load() > 1) return true;
    timespec const step{0, kLook.count() * 1'000'000};
    ::nanosleep(&step, nullptr);
  }
  return presses.load() > 1;
}

}  // namespace drover::cli
