// drover-bench NAME [--json] [--quick]
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "benches.h"
#include "machine.h"

namespace {

using namespace drover;
using namespace drover::bench;

struct Bench {
  std::string_view name;
  std::string_view what;
  Status (*run)(Report&);
};

constexpr Bench kBenches[] = {
    {"cold-start", "dispatch to a sandboxed unit's first event", run_cold_start},
    {"loop", "the native agent loop against a model that answers at once", run_loop},
    {"events", "appended to seen by 1, 100 and 1000 clients", run_events},
    {"commit", "a governed commit of three changed files", run_commit},
    {"dispatch", "enqueue, claim and acknowledge, beside Redis Streams", run_dispatch},
};

int usage(std::FILE* to, int status) {
  fmt::print(to, "usage: drover-bench NAME [--json] [--quick]\n\n");
  for (Bench const& bench : kBenches)
    fmt::print(to, "  {:<11} {}\n", bench.name, bench.what);
  fmt::print(to,
             "\n--json prints one object a line; --quick makes few repetitions, to see that all "
             "works.\n");
  return status;
}

Bench const* find(std::string_view name) {
  for (Bench const& bench : kBenches)
    if (bench.name == name) return &bench;
  return nullptr;
}

int run(int count, char** arguments) {
  Bench const* bench = nullptr;
  OutputForm form = OutputForm::table;
  Effort effort = Effort::thorough;
  for (int i = 1; i < count; ++i) {
    std::string_view const word = arguments[i];
    if (word == "--help" || word == "-h") return usage(stdout, 0);
    if (word == "--json") {
      form = OutputForm::json_lines;
    } else if (word == "--quick") {
      effort = Effort::quick;
    } else if (bench == nullptr && find(word) != nullptr) {
      bench = find(word);
    } else {
      note(fmt::format("there is no benchmark or option '{}'", word));
      return usage(stderr, 2);
    }
  }
  if (bench == nullptr) return usage(stderr, 2);
  catch_interrupts();
  Report report{std::string{bench->name}, effort};
  auto const done = bench->run(report);
  report.print(form);
  if (done) return 0;
  note(done.error().text());
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (std::exception const& error) {
    note(error.what());
    return 1;
  }
}
