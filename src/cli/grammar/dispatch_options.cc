#include "cli/grammar/dispatch_options.h"

#include <algorithm>

namespace drover::cli {

namespace {

constexpr Millis kQueueTimeMax = std::chrono::hours{24 * 365};
constexpr std::int64_t kPriorityMax = 100;
constexpr std::int64_t kKeyShareMax = 1'000'000;

// A level's name, or the number that the API takes.
Result<std::optional<std::int64_t>> priority_of(std::string const& text) {
  if (text.empty()) return std::nullopt;
  for (auto const& [name, priority] :
       {std::pair{"critical", 10}, {"high", 1}, {"normal", 0}, {"low", -1}})
    if (text == name) return priority;
  auto number = number_between<std::int64_t>("--priority", text, -kPriorityMax, kPriorityMax);
  if (number) return number;
  return fail(ErrorCode::invalid_argument,
              "--priority takes critical, high, normal, low or a number from {} to {}, and '{}' is "
              "none",
              -kPriorityMax, kPriorityMax, printable(text, 40));
}

// What stands behind the last colon, if it is of the kind that `fits`; a name may have colons.
template <class Fits>
std::pair<std::string, std::string> split_suffix(std::string const& text, Fits fits) {
  auto const colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size() || !fits(text.substr(colon + 1)))
    return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

Result<std::vector<KeyShare>> keys_of(std::vector<std::string> const& texts) {
  std::vector<KeyShare> keys;
  for (std::string const& text : texts) {
    auto const [name, most] = split_suffix(
        text, [](std::string const& end) { return std::ranges::all_of(end, is_digit); });
    auto const max = number_between<std::int64_t>("--key NAME:MAX", most, 1, kKeyShareMax);
    if (!max) return std::unexpected(max.error());
    keys.push_back({name, max->value_or(1)});
  }
  return keys;
}

}  // namespace

Result<QueueWishes> queue_wishes_of(Raw const& raw) {
  QueueWishes wishes;
  auto const priority = priority_of(raw.priority);
  if (!priority) return std::unexpected(priority.error());
  wishes.priority = *priority;
  auto const delay = duration_of("--delay", raw.delay, kQueueTimeMax);
  if (!delay) return std::unexpected(delay.error());
  wishes.delay = *delay;
  if (wishes.delay && !raw.at.empty())
    return fail(ErrorCode::invalid_argument, "--delay and --at exclude each other");
  if (!raw.at.empty())
    if (auto const at = parse_rfc3339(raw.at); !at) return std::unexpected(at.error());
  wishes.at = raw.at;
  wishes.tenant = raw.tenant;
  auto keys = keys_of(raw.keys);
  if (!keys) return std::unexpected(keys.error());
  wishes.keys = *std::move(keys);
  // A bare number may well be part of the key: pr:123.
  auto const [key, life] = split_suffix(raw.dedup, [](std::string const& end) {
    return !is_digit(end.back()) && parse_duration(end).has_value();
  });
  wishes.dedup_key = key;
  auto const lives = duration_of("--dedup KEY:LIFE", life, kQueueTimeMax);
  if (!lives) return std::unexpected(lives.error());
  wishes.dedup_life = *lives;
  return wishes;
}

void dispatch_options(Grammar& grammar, CLI::App* sub) {
  Raw& into = grammar.raw;
  sub->add_option("--model", into.model, "anthropic/NAME, or scripted:FILE")->type_name("MODEL");
  sub->add_option("--max-turns", into.max_turns, "most model calls")->type_name("N");
  sub->add_option("--max-budget-usd", into.budget, "most money")->type_name("USD");
  sub->add_option("--timeout", into.timeout, "most time: 90s, 15m, 2h")->type_name("TIME");
  sub->add_flag("--detach", into.detach, "print the run's id and return");
  sub->add_flag("--no-diff", into.no_diff, "leave the diff out at the end");
  sub->add_option("--idempotency-key", into.key, "the same key dispatches only once")
      ->type_name("KEY");
  grammar.json(sub, "one JSON event a line");
}

void queue_options(Grammar& grammar, CLI::App* sub) {
  Raw& into = grammar.raw;
  sub->add_option("--priority", into.priority, "critical, high, normal or low, or -100 to 100")
      ->type_name("LEVEL");
  sub->add_option("--delay", into.delay, "start no earlier than in: 30s, 15m, 2h")
      ->type_name("TIME");
  sub->add_option("--at", into.at, "start no earlier than: 2026-12-01T09:00:00+01:00")
      ->type_name("TIME");
  sub->add_option("--key", into.keys, "with others of this key, MAX at once (default 1)")
      ->type_name("NAME[:MAX]")
      ->take_all()
      ->allow_extra_args(false);
  sub->add_option("--tenant", into.tenant, "whose share of the workers it takes (default: yours)")
      ->type_name("NAME");
  sub->add_option("--dedup", into.dedup,
                  "start nothing while KEY lives (default 24h) from an "
                  "earlier run; that one is followed")
      ->type_name("KEY[:LIFE]");
}

}  // namespace drover::cli
