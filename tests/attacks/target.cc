#include "attacks/target.h"

#include <cstdlib>
#include <sstream>

#include "harness/program.h"

namespace drover::attacks {

std::string Seen::of(std::string_view name) const {
  std::istringstream lines{output};
  std::string line;
  while (std::getline(lines, line))
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
      return line.substr(name.size() + 1);
  return "-";
}

long long Seen::number(std::string_view name) const {
  std::string const text = of(name);
  char* end = nullptr;
  long long const value = std::strtoll(text.c_str(), &end, 10);
  return end == text.c_str() ? -1 : value;
}

Seen run_outside(std::vector<std::string> const& arguments,
                 std::vector<std::string> const& environment) {
  harness::ProgramOptions options;
  options.arguments = {ATTACKS_ATTACKER};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  options.environment = environment;
  auto const outcome = harness::run_program(options);
  Seen seen;
  seen.output = outcome.out + outcome.err;
  seen.exit_code = outcome.exit_code;
  return seen;
}

std::vector<Target*> const& targets() {
  static auto const process = make_process_target();
  static std::vector<Target*> const all = {process.get()};
  return all;
}

}  // namespace drover::attacks
