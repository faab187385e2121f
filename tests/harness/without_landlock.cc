// Runs a program on what looks to it like a kernel without Landlock: `without-landlock PROGRAM
// ARG…`.
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char** arguments) {
  if (count < 2) return 2;
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  constexpr int kLandlockCreateRuleset = 444;  // newer than the packaged library's names
  if (filter == nullptr ||
      seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), kLandlockCreateRuleset, 0) != 0 ||
      seccomp_load(filter) != 0) {
    perror("cannot take Landlock away");
    return 99;
  }
  execv(arguments[1], arguments + 1);
  perror(arguments[1]);
  return 99;
}
