// Deliveries and events from outside: headers and a body of anybody's choice. No crash, nothing
// taken without its signature, and a prompt that the event fills stays bounded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "contract/schedule.h"
#include "schedule/event_match.h"
#include "schedule/placeholders.h"
#include "schedule/webhook.h"

namespace contract = drover::contract;
namespace schedule = drover::schedule;

namespace {

// The first line is the signature header, the second the one that names the type, the rest the
// body.
void deliver(std::string_view text) {
  auto const line = text.find('\n');
  if (line == std::string_view::npos) return;
  auto const rest = text.substr(line + 1);
  auto const second = rest.find('\n');
  if (second == std::string_view::npos) return;
  std::string const signature{text.substr(0, line)};
  std::string const type{rest.substr(0, second)};
  auto const body = rest.substr(second + 1);
  drover::Secret const secret{"secret"};
  drover::WallTime const now{std::chrono::seconds{1'795'232'067}};
  drover::net::Headers headers{{"x-drover-signature", signature},
                               {"x-hub-signature-256", signature},
                               {"x-type", type},
                               {"x-drover-delivery", type}};
  for (auto const scheme : {contract::HookScheme::drover, contract::HookScheme::github}) {
    contract::Hook const hook{.name = "a", .type = "t", .type_header = "x-type", .scheme = scheme};
    if (schedule::read_delivery(hook, secret, headers, body, now)) std::abort();
    // Signed by who has the secret: the body decides.
    drover::net::Headers right{
        {"x-hub-signature-256", "sha256=" + schedule::hmac_sha256_hex(secret, body)},
        {"x-type", type},
        {"x-github-delivery", type}};
    auto const delivery = schedule::read_delivery(hook, secret, right, body, now);
    if (delivery && scheme == contract::HookScheme::drover) std::abort();
    if (delivery && delivery->marks.empty()) std::abort();
  }
}

void fill(std::string_view text) {
  auto const event = contract::parse_incoming_event(text);
  boost::json::value const value =
      event ? contract::to_json(*event)
            : boost::json::value{{"type", "a"}, {"data", "{{event.data}}"}};
  auto const filled = schedule::fill_placeholders(text, value);
  if (filled && filled->size() > schedule::kFilledBytesMax + text.size()) std::abort();
  (void)schedule::value_at(value, text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  deliver(text);
  fill(text);
  if (auto const job = contract::parse_schedule_job(text))
    if (!contract::parse_schedule_job(
            boost::json::serialize(contract::to_json(*job, contract::HeaderValues::keep))))
      std::abort();
  return 0;
}
