// What units and upstreams say to the gateway: a request's head, an answer's stream in each wire
// format, the headers of a rate limit, and where a unit wants to connect to. In two cuts the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/egress_policy.h"
#include "gateway/request_body.h"
#include "gateway/request_head.h"
#include "gateway/stream_filter.h"
#include "gateway/upstream_gate.h"
#include "gateway/usage_meter.h"

namespace {

using drover::gateway::UsageMeter;

void check(bool holds) {
  if (!holds) std::abort();
}

UsageMeter metered(drover::model::WireFormat format, std::string_view first,
                   std::string_view second) {
  UsageMeter meter{format, UsageMeter::Shape::stream};
  meter.feed(first);
  meter.feed(second);
  meter.finish();
  return meter;
}

void try_answer(std::string_view text, std::size_t cut) {
  for (auto const format : drover::model::kWireFormats) {
    auto const whole = metered(format, text, {});
    auto const parts = metered(format, text.substr(0, cut), text.substr(cut));
    check(whole.usage() == parts.usage() && whole.complete() == parts.complete());
    check(whole.usage().input >= 0 && whole.usage().output >= 0);
  }
  drover::Secret const key{std::string{"sk-secret"}};
  drover::gateway::KeyFilter keys{key};
  std::string clean = keys.feed(std::string{text.substr(0, cut)});
  clean += keys.feed(std::string{text.substr(cut)}) + keys.finish();
  check(clean.find(key.reveal()) == std::string::npos);
  drover::gateway::ChatUsageFilter whole;
  drover::gateway::ChatUsageFilter parts;
  std::string const once = whole.feed(text) + whole.finish();
  std::string twice = parts.feed(text.substr(0, cut));
  twice += parts.feed(text.substr(cut)) + parts.finish();
  check(once == twice);
}

void try_request(std::string_view text) {
  for (auto const format : drover::model::kWireFormats) {
    auto const head = drover::gateway::read_request_head(text, format);
    if (!head) continue;
    std::string const body =
        drover::gateway::upstream_body(std::string{text}, *head, "another", format);
    auto const again = drover::gateway::read_request_head(body, format);
    check(again && again->model == "another" && again->tokens_max == head->tokens_max);
    if (format == drover::model::WireFormat::chat && head->stream) check(again->include_usage);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  std::size_t const cut = size == 0 ? 0 : data[size - 1] % size;
  try_answer(text, cut);
  try_request(text);
  drover::net::Headers headers;
  headers.add("x-ratelimit-remaining-tokens", "0");
  headers.add("x-ratelimit-reset-tokens", std::string{text});
  auto const wait = drover::gateway::asked_wait(headers, drover::WallTime{});
  check(!wait || wait->count() >= 0);
  if (auto const target = drover::gateway::parse_egress_target(text)) {
    std::string const host =
        target->address && target->host.contains(':') ? "[" + target->host + "]" : target->host;
    auto const again =
        drover::gateway::parse_egress_target(host + ":" + std::to_string(target->port));
    check(again && again->host == target->host && again->address == target->address);
  }
  static_cast<void>(drover::gateway::EgressPolicy::parse({std::string{text}}));
  return 0;
}
