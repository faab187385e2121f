// drover-sim: plays histories and says which does not hold.
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

constexpr int kUsage = 2;
constexpr std::size_t kFailuresShown = 10;

struct Wanted {
  std::uint64_t from = 1;
  std::uint64_t to = 1000;
  WorldOptions options;
};

void print_help() {
  fmt::print(
      "drover-sim: the queue, the streams, the journal of runs and the scheduler under faults, on "
      "a\n"
      "simulated clock, disk and network. One seed is one history.\n\n"
      "  drover-sim [--seeds FROM..TO] [--faults LIST] [--plant DEFECT]\n"
      "  drover-sim --seed N [--trace]\n\n"
      "  --seeds FROM..TO  plays them all; default 1..1000\n"
      "  --seed N          plays this one\n"
      "  --trace           prints the history, line by line\n"
      "  --faults LIST     which may occur: all, none, or some of\n                    {}\n"
      "  --plant DEFECT    with a defect in the world, to see it found\n\n"
      "SEED=N in the environment stands for --seed N.\n"
      "Exit code 0: every invariant held; 1: one did not, and the command that shows it is "
      "printed.\n",
      FaultSet::all().str());
}

Result<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0)
    return fail(ErrorCode::invalid_argument, "'{}' is no seed: they count from 1", text);
  return value;
}

Status read_option(Wanted& wanted, std::string_view name, std::string_view value) {
  if (name == "--seeds") {
    auto const dots = value.find("..");
    auto const from = number(value.substr(0, dots));
    auto const to = dots == std::string_view::npos ? from : number(value.substr(dots + 2));
    if (!from) return std::unexpected(from.error());
    if (!to) return std::unexpected(to.error());
    wanted.from = *from;
    wanted.to = *to;
    return {};
  }
  if (name == "--seed") {
    auto const seed = number(value);
    if (!seed) return std::unexpected(seed.error());
    wanted.from = wanted.to = *seed;
    return {};
  }
  if (name == "--faults") {
    auto const faults = FaultSet::parse(value);
    if (!faults) return std::unexpected(faults.error());
    wanted.options.faults = *faults;
    return {};
  }
  if (name == "--plant") {
    auto const defect = parse_defect(value);
    if (!defect) return std::unexpected(defect.error());
    wanted.options.defect = *defect;
    return {};
  }
  return fail_next(ErrorCode::invalid_argument, fmt::format("there is no option '{}'", name),
                   "drover-sim --help lists them");
}

Result<Wanted> read_arguments(int count, char const* const* values) {
  Wanted wanted;
  char const* const seed = std::getenv("SEED");
  for (int i = 1; i < count; ++i) {
    std::string_view const name = values[i];
    if (name == "--trace") {
      wanted.options.trace = TraceMode::print;
      continue;
    }
    if (i + 1 == count)
      return fail(ErrorCode::invalid_argument, "the option '{}' needs a value", name);
    DROVER_TRY(read_option(wanted, name, values[++i]));
  }
  if (seed != nullptr) DROVER_TRY(read_option(wanted, "--seed", seed));
  if (wanted.options.trace == TraceMode::print && wanted.from != wanted.to)
    return fail(ErrorCode::invalid_argument, "--trace prints one history: give --seed N");
  return wanted;
}

// The command that plays this seed once more.
std::string replay(WorldOptions const& options) {
  std::string command = fmt::format("drover-sim --seed {} --trace", options.seed);
  if (options.faults.str() != FaultSet::all().str())
    command += fmt::format(" --faults {}", options.faults.str());
  if (options.defect != Defect::none)
    command += fmt::format(" --plant {}", to_string(options.defect));
  return command;
}

int play_all(Wanted const& wanted) {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t runs = 0;
  std::size_t lives = 0;
  std::uint64_t hash = 0;
  Nanos const started = real_now();
  for (std::uint64_t seed = wanted.from; seed <= wanted.to; ++seed) {
    WorldOptions options = wanted.options;
    options.seed = seed;
    Played const played = play(options);
    runs += played.runs;
    lives += played.lives;
    hash = hash * 31 + played.hash;
    ++(played.violation ? failed : passed);
    if (!played.violation) continue;
    fmt::print("FAILED seed {}, {}\n  replay: {}\n", seed, *played.violation, replay(options));
    if (failed == kFailuresShown) break;
  }
  double const seconds = static_cast<double>((real_now() - started).count()) / 1e9;
  fmt::print("{} runs, {} lives of the server, {:.1f} s, {:.2f} ms a seed, hash {:016x}\n", runs,
             lives, seconds, 1000 * seconds / static_cast<double>(passed + failed), hash);
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace drover::sim

int main(int count, char** values) {
  using namespace drover;
  std::string_view const first = count > 1 ? values[1] : "";
  if (first == "--help" || first == "-h") {
    sim::print_help();
    return 0;
  }
  // What the server under test has to say of its faults is expected.
  log::set_level(log::Level::off);
  auto const wanted = sim::read_arguments(count, values);
  if (wanted) return sim::play_all(*wanted);
  fmt::print(stderr, "drover-sim: {}\n", wanted.error().text());
  return sim::kUsage;
}
