#pragma once
// What this test started, directly or not: looked up in /proc, never by name. Thread-compatible.
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/time.h"

namespace drover::harness {

using Micros = std::chrono::microseconds;

struct ProcessLine {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string command;  // its arguments, joined by spaces
};

// From now on orphans of this process become its children: whatever it started stays in its tree.
void adopt_orphans();
// All below `root`, without those that only wait to be reaped.
[[nodiscard]] std::vector<ProcessLine> processes_below(pid_t root);
// Kills all below this process, and reaps them.
void kill_everything_below_this();
// Reaps children that have ended. Only while no Program is held: it would lose its exit code.
void reap_orphans();

// SIGTERM and SIGINT of this process are passed on to `pid`, which then ends its units in order.
void stop_with_this_process(pid_t pid);
void forget_process(pid_t pid);

// Looks every 2 ms until `holds()`; false at the deadline.
template <class Condition>
[[nodiscard]] bool eventually(Condition const& holds, Millis deadline = Millis{10'000});

void pause(Micros duration);
[[nodiscard]] Millis uptime();

template <class Condition>
bool eventually(Condition const& holds, Millis deadline) {
  Millis const end = uptime() + deadline;
  while (!holds()) {
    if (uptime() > end) return false;
    pause(Millis{2});
  }
  return true;
}

}  // namespace drover::harness
