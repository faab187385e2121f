#include "server/settings.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/id.h"
#include "base/secret.h"
#include "base/text.h"
#include "contract/invocation.h"
#include "fleet/instance.h"
#include "worker/records.h"

namespace drover::server {

namespace {

// Room for the ends of all runs at once, each with its last events and its terminal one.
constexpr std::int64_t kReserveMebibytes = 16;
constexpr std::int64_t kReserveMebibytesMax = 1 << 20;
// How long events are kept, and how many of one run.
constexpr std::int64_t kKeepEventsDays = 30;
constexpr std::int64_t kKeepEventsDaysMax = 36'500;
constexpr std::int64_t kKeepEventsMax = 100'000;
constexpr std::int64_t kWorkloadsOfOwner = 32;
constexpr std::int64_t kWorkloadsMost = 256;  // as many as a backend takes
constexpr std::int64_t kFleetPeriod = 60;     // seconds
constexpr std::int64_t kFleetPeriodMax = 86'400;
constexpr std::int64_t kKeepEventsMaxMax = 1'000'000'000;

// The variable is gone afterwards, also from /proc/self/environ, which shows the memory that the
// process was started with.
Secret take_from_environment(char const* name) {
  char* const value = std::getenv(name);
  if (value == nullptr) return {};
  Secret secret{std::string{value}};
  ::explicit_bzero(value, std::strlen(value));
  ::unsetenv(name);
  return secret;
}

gateway::UpstreamDefaults upstreams_from_environment() {
  gateway::UpstreamDefaults defaults;
  for (auto const& [name, url] : {std::pair{"ANTHROPIC_BASE_URL", &defaults.anthropic_url},
                                  {"OPENAI_BASE_URL", &defaults.openai_url}}) {
    Secret const given = take_from_environment(name);
    if (!given.empty()) *url = given.reveal();
    while (url->ends_with('/'))
      url->pop_back();
  }
  char const* const ca_file = std::getenv("SSL_CERT_FILE");
  if (ca_file != nullptr) defaults.ca_file = ca_file;
  return defaults;
}

// Scheduled requests go to the internet at large; who wants them inside says so.
net::Reach schedule_reach() {
  char const* const allowed = std::getenv("DROVER_SCHEDULE_ALLOW_PRIVATE");
  bool const inside = allowed != nullptr && std::string_view{allowed} == "1";
  return inside ? net::Reach::no_metadata : net::Reach::public_only;
}

// A whole number from 0 to `max` that the environment may give.
Result<std::int64_t> setting(char const* name, std::int64_t usual, std::int64_t max) {
  char const* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return usual;
  std::string_view const text{value};
  std::int64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0 || number > max)
    return fail(ErrorCode::invalid_argument, "{} is a number from 0 to {}, not '{}'", name, max,
                printable(text, 40));
  return number;
}

// A list with commas; each is a runner of unit.v1 that is not our own.
Result<std::vector<std::string>> third_party_runners() {
  std::vector<std::string> runners;
  char const* const value = std::getenv("DROVER_THIRD_PARTY_RUNNERS");
  if (value == nullptr) return runners;
  for (std::string_view const part : split(value, ',')) {
    auto const name = trim(part);
    if (name.empty()) continue;
    if (!contract::is_runner(name) || name == worker::kNativeRunner)
      return fail_next(ErrorCode::invalid_argument,
                       fmt::format("DROVER_THIRD_PARTY_RUNNERS: '{}' is no runner that a "
                                   "third-party worker can have",
                                   printable(name, 60)),
                       "name runners such as command:reviewer, claude-code or codex");
    runners.emplace_back(contract::canonical_runner(name));
  }
  return runners;
}

Result<worker::ThirdPartyLimits> third_party_limits() {
  worker::ThirdPartyLimits limits;
  constexpr std::int64_t kDay = 24LL * 3600;
  auto const start = setting("DROVER_THIRD_PARTY_START_S", limits.start.count() / 1000, kDay);
  if (!start) return std::unexpected(start.error());
  auto const silence = setting("DROVER_THIRD_PARTY_SILENCE_S", limits.silence.count() / 1000, kDay);
  if (!silence) return std::unexpected(silence.error());
  limits.start = std::chrono::seconds{*start};
  limits.silence = std::chrono::seconds{*silence};
  limits.silence_after_loss = std::min(limits.silence_after_loss, limits.silence);
  return limits;
}

// The first of these that is set.
std::string first_of(std::initializer_list<char const*> names, std::string_view usual) {
  for (char const* const name : names)
    if (char const* const value = std::getenv(name); value != nullptr && *value != '\0')
      return value;
  return std::string{usual};
}

Result<BackendSettings> backend_settings() {
  BackendSettings settings;
  settings.backend = first_of({"DROVER_BACKEND", "RUNTIME_BACKEND"}, kProcessBackend);
  if (settings.backend != kProcessBackend && settings.backend != kDockerBackend)
    return fail(ErrorCode::invalid_argument, "DROVER_BACKEND is process or docker, not '{}'",
                printable(settings.backend, 40));
  auto const host = first_of({"DROVER_DOCKER_HOST", "DOCKER_HOST"}, runtime::kDockerHostUsual);
  auto engine = runtime::parse_engine_address(host, first_of({"DOCKER_CERT_PATH"}, ""));
  if (!engine) return std::unexpected(engine.error());
  settings.docker.engine = *std::move(engine);
  settings.docker.image = first_of({"DROVER_DOCKER_IMAGE"}, "");
  settings.docker.oci_runtime = first_of({"DROVER_DOCKER_RUNTIME"}, "");
  settings.docker.cgroup_parent = first_of({"DROVER_DOCKER_CGROUP_PARENT"}, "");
  return settings;
}

// "https://drover.example.org", as browsers say it: lower case, no path, no usual port.
Result<std::string> public_origin() {
  std::string const given = first_of({"DROVER_PUBLIC_URL"}, "");
  std::string_view text{given};
  while (text.ends_with('/'))
    text.remove_suffix(1);
  if (text.empty()) return std::string{};
  std::string_view const secure = "https://";
  std::string_view const scheme = text.starts_with(secure) ? secure : "http://";
  std::string_view const host = text.starts_with(scheme) ? text.substr(scheme.size()) : "";
  bool const fits =
      !host.empty() &&
      host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-:[]") == std::string_view::npos;
  bool const usual_port = host.ends_with(scheme == secure ? ":443" : ":80");
  if (fits && !usual_port) return std::string{text};
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("DROVER_PUBLIC_URL is the address that browsers use, not '{}'",
                               printable(given, 100)),
                   "write it as https://drover.example.org, in lower case, without a path and "
                   "without the scheme's own port");
}

}  // namespace

Result<Settings> settings_from_environment() {
  Settings settings;
  settings.upstreams = upstreams_from_environment();
  settings.schedule_reach = schedule_reach();
  settings.broker = take_from_environment("DROVER_BROKER");
  auto origin = public_origin();
  if (!origin) return std::unexpected(origin.error());
  settings.public_origin = *std::move(origin);
  settings.shared_key_file = first_of({"DROVER_HS256_KEY_FILE"}, "");
  auto runners = third_party_runners();
  if (!runners) return std::unexpected(runners.error());
  settings.third_party_runners = *std::move(runners);
  auto const limits = third_party_limits();
  if (!limits) return std::unexpected(limits.error());
  settings.third_party = *limits;
  auto const wall = driver::parse_host_wall(first_of({driver::kHostWallSetting.data()}, ""));
  if (!wall) return std::unexpected(wall.error());
  settings.host_wall = *wall;
  auto backends = backend_settings();
  if (!backends) return std::unexpected(backends.error());
  settings.backends = *std::move(backends);
  auto const workloads = setting("DROVER_WORKLOADS_PER_OWNER", kWorkloadsOfOwner, kWorkloadsMost);
  if (!workloads) return std::unexpected(workloads.error());
  settings.workloads_of_owner = static_cast<std::size_t>(*workloads);
  settings.fleet_prefix = first_of({"DROVER_FLEET_PREFIX"}, fleet::kPrefixUsual);
  if (!is_slug(settings.fleet_prefix))
    return fail(ErrorCode::invalid_argument, "DROVER_FLEET_PREFIX: {}",
                bad_id("prefix", settings.fleet_prefix).message);
  auto const period = setting("DROVER_FLEET_PERIOD_S", kFleetPeriod, kFleetPeriodMax);
  if (!period) return std::unexpected(period.error());
  settings.fleet_period = std::chrono::seconds{std::max<std::int64_t>(*period, 1)};
  char const* const labels = std::getenv("DROVER_WORKER_LABELS");
  auto worker_labels = broker::parse_labels(labels == nullptr ? "" : labels);
  if (!worker_labels)
    return fail(ErrorCode::invalid_argument, "DROVER_WORKER_LABELS: {}",
                worker_labels.error().message);
  settings.worker_labels = *std::move(worker_labels);
  auto const mebibytes = setting("DROVER_DISK_RESERVE_MB", kReserveMebibytes, kReserveMebibytesMax);
  if (!mebibytes) return std::unexpected(mebibytes.error());
  settings.reserve_bytes = static_cast<std::uint64_t>(*mebibytes) << 20U;
  auto const days = setting("DROVER_KEEP_EVENTS_DAYS", kKeepEventsDays, kKeepEventsDaysMax);
  if (!days) return std::unexpected(days.error());
  if (*days > 0) settings.keep.age_max = std::chrono::days{*days};
  auto const events = setting("DROVER_KEEP_EVENTS_MAX", kKeepEventsMax, kKeepEventsMaxMax);
  if (!events) return std::unexpected(events.error());
  if (*events > 0) settings.keep.events_max = *events;
  return settings;
}

}  // namespace drover::server
