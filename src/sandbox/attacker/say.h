#pragma once
// How the attacker tells what came of each try: one line "<name> <ok, or the name of errno>".
#include <unistd.h>

#include <cerrno>
#include <string>

namespace drover::attacker {

inline constexpr int kKilledBySeccomp = 200;  // in the place of an errno
inline constexpr int kKilledOtherwise = 201;

inline int result(long value) {
  return value < 0 ? errno : 0;
}
void say(std::string const& name, int error);
void say_number(std::string const& name, long long value);

[[nodiscard]] int wait_for(pid_t pid);
// In a child, so that what succeeds changes nothing here.
template <class Action>
int in_child(Action action) {
  pid_t const pid = ::fork();
  if (pid == 0) ::_exit(action());
  return wait_for(pid);
}

}  // namespace drover::attacker
