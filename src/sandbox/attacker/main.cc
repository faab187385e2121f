// Tries what a hostile program in a sandbox would try: `attacker NAME [ARGUMENT…]`. The tests run
// it inside; outside, as the positive control, only what changes nothing where it succeeds, also
// for root.
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <map>

#include "sandbox/attacker/attacks.h"
#include "sandbox/attacker/say.h"

namespace drover::attacker {

void say(std::string const& name, int error) {
  char const* const text = error == 0                  ? "ok"
                           : error == kKilledBySeccomp ? "SIGSYS"
                           : error == kKilledOtherwise ? "signal"
                                                       : strerrorname_np(error);
  std::printf("%s %s\n", name.c_str(), text == nullptr ? "?" : text);
  std::fflush(stdout);
}

void say_number(std::string const& name, long long value) {
  std::printf("%s %lld\n", name.c_str(), value);
  std::fflush(stdout);
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSYS ? kKilledBySeccomp : kKilledOtherwise;
  return WEXITSTATUS(status);
}

namespace {

struct Attack {
  int (*run)(Arguments const&);
  std::size_t arguments_min;
};

std::map<std::string, Attack> const& attacks() {
  static std::map<std::string, Attack> const all = {
      {"nothing", {[](Arguments const&) { return 0; }, 0}},
      {"forbidden-calls", {forbidden_calls, 0}},
      {"harmless-calls", {harmless_calls, 0}},
      {"init", {attack_init, 0}},
      {"ids", {ids, 0}},
      {"descriptors", {descriptors, 0}},
      {"hide", {hide, 0}},
      {"sockets", {sockets, 2}},
      {"connect-path", {connect_path, 1}},
      {"reach", {reach, 0}},
      {"read", {open_to_read, 1}},
      {"write", {open_to_write, 1}},
      {"search-proc", {search_proc, 1}},
      {"link", {link_from, 2}},
      {"special-files", {special_files, 1}},
      {"setuid-files", {setuid_files, 1}},
      {"swap-link", {swap_link, 2}},
      {"memory", {eat_memory, 2}},
      {"forks", {fork_many, 1}},
      {"fill", {fill_file, 2}},
      {"inodes", {fill_inodes, 2}},
      {"sparse", {sparse_file, 2}},
      {"spin", {spin, 1}},
  };
  return all;
}

}  // namespace

}  // namespace drover::attacker

int main(int count, char** arguments) {
  using namespace drover::attacker;
  if (count < 2) return 2;
  auto const found = attacks().find(arguments[1]);
  Arguments const rest{arguments + 2, arguments + count};
  if (found == attacks().end() || rest.size() < found->second.arguments_min) return 2;
  return found->second.run(rest);
}
