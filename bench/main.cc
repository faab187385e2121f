// drover-bench NAME [--json] [--quick] [--cycles N] [--seed N]
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <optional>
#include <string_view>
#include <vector>

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
    {"dispatch", "enqueue, claim and acknowledge, beside Redis Streams and BullMQ", run_dispatch},
    {"chaos", "nothing lost while server, units, disk and Redis go away", run_chaos},
    {"replay", "steps of workflows by the length of their runs, beside the SDK", run_replay},
    {"reconcile", "a look at 1000 resident agents; containers made, beside a shell loop",
     run_reconcile},
    {"workflows", "thousands of workflows that wait and step on one server", run_workflows},
    {"schedules", "what is due, and changes, among 100 000 schedules", run_schedules},
};

int usage(std::FILE* to, int status) {
  fmt::print(to, "usage: drover-bench NAME [--json] [--quick] [--cycles N] [--seed N]\n\n");
  for (Bench const& bench : kBenches)
    fmt::print(to, "  {:<11} {}\n", bench.name, bench.what);
  fmt::print(to,
             "\n--json prints one object a line; --quick makes few repetitions, to see that all "
             "works.\n--cycles and --seed are for chaos: how often something goes away (200), and "
             "what when (1).\n");
  return status;
}

Bench const* find(std::string_view name) {
  for (Bench const& bench : kBenches)
    if (bench.name == name) return &bench;
  return nullptr;
}

// The number behind an option, which is at `place`.
template <class T>
std::optional<T> number_behind(std::vector<std::string_view> const& words, std::size_t place) {
  if (place + 1 >= words.size()) return std::nullopt;
  std::string_view const text = words[place + 1];
  T value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

int run(int count, char** arguments) {
  Bench const* bench = nullptr;
  OutputForm form = OutputForm::table;
  Wishes wishes;
  std::vector<std::string_view> const words{arguments + 1, arguments + count};
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view const word = words[i];
    if (word == "--help" || word == "-h") return usage(stdout, 0);
    if (word == "--json") {
      form = OutputForm::json_lines;
    } else if (word == "--quick") {
      wishes.effort = Effort::quick;
    } else if (word == "--cycles" && number_behind<int>(words, i)) {
      wishes.cycles = number_behind<int>(words, i++);
    } else if (word == "--seed" && number_behind<std::uint64_t>(words, i)) {
      wishes.seed = *number_behind<std::uint64_t>(words, i++);
    } else if (bench == nullptr && find(word) != nullptr) {
      bench = find(word);
    } else {
      note(fmt::format("there is no benchmark or option '{}'", word));
      return usage(stderr, 2);
    }
  }
  if (bench == nullptr) return usage(stderr, 2);
  catch_interrupts();
  Report report{std::string{bench->name}, wishes};
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
