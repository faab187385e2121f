// Cron expressions from people: no crash, no hang, and what is accepted fires at ascending times
// that do not depend on where one starts.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "schedule/cron.h"

namespace schedule = drover::schedule;

namespace {

void walk(schedule::Cron const& cron, schedule::TimeZone const& zone) {
  using std::chrono::seconds;
  constexpr schedule::sys_seconds kStart{seconds{1'743'206'400}};  // the day before Berlin's gap
  auto time = kStart;
  for (int i = 0; i < 8; ++i) {
    auto const next = cron.next(time, zone);
    if (!next) return;
    if (*next <= time) std::abort();
    if (cron.next(time + (*next - time) / 2, zone) != next) std::abort();
    time = *next;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static auto const kBerlin = schedule::TimeZone::load("Europe/Berlin").value();
  static auto const kLordHowe = schedule::TimeZone::load("Australia/Lord_Howe").value();
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  (void)schedule::TimeZone::load(text);
  auto const cron = schedule::Cron::parse(text);
  if (!cron) {
    if (cron.error().message.empty()) std::abort();
    return 0;
  }
  if (cron->describe().empty()) std::abort();
  walk(*cron, kBerlin);
  walk(*cron, kLordHowe);
  return 0;
}
