// drover-sim: plays histories and says which does not hold.
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.h"
#include "sim/fleet_world.h"
#include "sim/world.h"

namespace drover::sim {
namespace {

constexpr int kUsage = 2;
constexpr std::size_t kFailuresShown = 10;

struct Wanted {
  bool every_fail_point = false;
  bool fleet = false;
  std::uint64_t from = 1;
  std::uint64_t to = 1000;
  WorldOptions options;
};

void print_help() {
  fmt::print(
      "drover-sim: the queue, the streams, the journal of runs, the watchdog and the scheduler "
      "under\n"
      "faults, on a simulated clock, disk, network and Redis. One seed is one history.\n\n"
      "  drover-sim [--seeds FROM..TO] [--faults LIST] [--plant DEFECT]\n"
      "  drover-sim --seed N [--trace] [--fail-point POINT]\n"
      "  drover-sim --every-fail-point [--seed N] [--plant DEFECT]\n"
      "  drover-sim --fleet [--seeds FROM..TO] [--seed N] [--trace]\n\n"
      "  --seeds FROM..TO  plays them all; default 1..1000\n"
      "  --seed N          plays this one\n"
      "  --fleet           histories of the reconciler of resident agents over a faulty engine\n"
      "  --trace           prints the history, line by line\n"
      "  --faults LIST     which may occur: all, none, or some of\n                    {}\n"
      "  --plant DEFECT    with a defect in the world, to see it found\n\n"
      "  --every-fail-point  plays a quiet history again and again, each time with one failure: "
      "at\n"
      "                    each write and sync the power goes (what was not synced is lost, torn,\n"
      "                    or there) or it fails, before each step the server or a worker is "
      "killed\n"
      "  --fail-point POINT  one of them, such as power-torn:17 or kill-server:200\n\n"
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
  if (name == "--fail-point") {
    auto const point = parse_fail_point(value);
    if (!point) return std::unexpected(point.error());
    wanted.options.fail_point = *point;
    wanted.options.length = WorldOptions::Length::brief;
    wanted.options.faults = FaultSet::none();
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
  bool seeds_given = seed != nullptr;
  for (int i = 1; i < count; ++i) {
    std::string_view const name = values[i];
    if (name == "--trace") {
      wanted.options.trace = TraceMode::print;
      continue;
    }
    if (name == "--fleet") {
      wanted.fleet = true;
      continue;
    }
    if (name == "--every-fail-point") {
      wanted.every_fail_point = true;
      continue;
    }
    seeds_given = seeds_given || name.starts_with("--seed");
    if (i + 1 == count)
      return fail(ErrorCode::invalid_argument, "the option '{}' needs a value", name);
    DROVER_TRY(read_option(wanted, name, values[++i]));
  }
  if (seed != nullptr) DROVER_TRY(read_option(wanted, "--seed", seed));
  if (wanted.every_fail_point && !seeds_given) wanted.to = wanted.from;
  if (wanted.fleet && wanted.every_fail_point)
    return fail(ErrorCode::invalid_argument, "--every-fail-point has no histories of the --fleet");
  if (wanted.every_fail_point && wanted.from != wanted.to)
    return fail(ErrorCode::invalid_argument, "--every-fail-point plays one history: give --seed N");
  if (wanted.options.trace == TraceMode::print && wanted.from != wanted.to)
    return fail(ErrorCode::invalid_argument, "--trace prints one history: give --seed N");
  return wanted;
}

// The command that plays this seed once more.
std::string replay(WorldOptions const& options, bool fleet) {
  if (fleet) return fmt::format("drover-sim --fleet --seed {} --trace", options.seed);
  std::string command = fmt::format("drover-sim --seed {} --trace", options.seed);
  if (options.fail_point)
    command += fmt::format(" --fail-point {}", to_string(*options.fail_point));
  else if (options.faults.str() != FaultSet::all().str())
    command += fmt::format(" --faults {}", options.faults.str());
  if (options.defect != Defect::none)
    command += fmt::format(" --plant {}", to_string(options.defect));
  return command;
}

// What was played, and what of it failed.
class Tally {
 public:
  explicit Tally(bool fleet = false) : fleet_(fleet) {}

  // False when enough has failed.
  bool play(WorldOptions const& options) {
    Played const played = fleet_ ? play_fleet(options) : sim::play(options);
    runs_ += played.runs;
    lives_ += played.lives;
    hash_ = hash_ * 31 + played.hash;
    ++(played.violation ? failed_ : passed_);
    if (!played.violation) return true;
    fmt::print("FAILED seed {}, {}\n  replay: {}\n", options.seed, *played.violation,
               replay(options, fleet_));
    return failed_ < kFailuresShown;
  }
  // The exit code.
  [[nodiscard]] int report(std::string_view each) const {
    double const seconds = static_cast<double>((real_now() - started_).count()) / 1e9;
    fmt::print("{} runs, {} lives of the server, {:.1f} s, {:.2f} ms a {}, hash {:016x}\n", runs_,
               lives_, seconds, 1000 * seconds / static_cast<double>(passed_ + failed_), each,
               hash_);
    fmt::print("{} passed, {} failed\n", passed_, failed_);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  bool fleet_;
  std::size_t passed_ = 0;
  std::size_t failed_ = 0;
  std::size_t runs_ = 0;
  std::size_t lives_ = 0;
  std::uint64_t hash_ = 0;
  Nanos started_ = real_now();
};

int play_seeds(Wanted const& wanted) {
  Tally tally{wanted.fleet};
  WorldOptions options = wanted.options;
  for (options.seed = wanted.from; options.seed <= wanted.to; ++options.seed)
    if (!tally.play(options)) break;
  return tally.report("seed");
}

int play_fail_points(Wanted const& wanted) {
  Tally tally;
  WorldOptions options = wanted.options;
  options.seed = wanted.from;
  options.faults = FaultSet::none();
  options.length = WorldOptions::Length::brief;
  Played const quiet = play(options);
  fmt::print("seed {} has {} writes and syncs, and {} steps\n", options.seed, quiet.operations,
             quiet.events);
  bool goes_on = tally.play(options);
  for (int kind = 0; kind < kFailPointKinds; ++kind) {
    auto const which = static_cast<FailPoint::Kind>(kind);
    bool const of_steps =
        which == FailPoint::Kind::kill_server || which == FailPoint::Kind::kill_worker;
    std::uint64_t const last = of_steps ? quiet.events : quiet.operations;
    for (std::uint64_t nth = 1; goes_on && nth <= last; ++nth) {
      options.fail_point = FailPoint{which, nth};
      goes_on = tally.play(options);
    }
  }
  return tally.report("fail point");
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
  if (wanted)
    return wanted->every_fail_point ? sim::play_fail_points(*wanted) : sim::play_seeds(*wanted);
  fmt::print(stderr, "drover-sim: {}\n", wanted.error().text());
  return sim::kUsage;
}
