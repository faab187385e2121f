#include "runtime/docker_engine.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "net/http_types.h"
#include "runtime/container_spec.h"

namespace drover::runtime {

namespace {

using Call = EngineClient::Call;

constexpr Millis kAskLimit{10'000};
constexpr Millis kPullSilence{300'000};

std::string filters(std::initializer_list<std::pair<std::string_view, std::string>> wanted) {
  json::object object;
  for (auto const& [key, value] : wanted)
    object[key] = json::array{value};
  return net::percent_encode(json::serialize(object));
}

// The first characters, as people know containers by.
std::string_view short_id(std::string_view container) {
  return container.substr(0, 12);
}

bool is(Error const& error, ErrorCode code) {
  return error.code == code;
}

std::string machine_name() {
  utsname name{};
  return ::uname(&name) == 0 ? name.machine : "";
}

}  // namespace

std::string DockerEngine::label_of(std::string const& server) const {
  return fmt::format("{}={}", label_, server);
}

Task<Result<EngineFacts>> DockerEngine::facts(std::string oci_runtime) {
  if (facts_) co_return *facts_;
  client_.set_version({});
  Call ask_version{.what = "say its version",
                   .method = "GET",
                   .path = "/version",
                   .body = {},
                   .limit = kAskLimit};
  auto const said = co_await client_.send(std::move(ask_version));
  if (!said) co_return std::unexpected(said.error());
  auto const version = choose_api_version(*said);
  if (!version) co_return std::unexpected(version.error());
  client_.set_version(*version);
  Call ask{
      .what = "describe itself", .method = "GET", .path = "/info", .body = {}, .limit = kAskLimit};
  auto const described = co_await client_.send(std::move(ask));
  if (!described) co_return std::unexpected(described.error());
  auto facts = parse_engine_facts(*described);
  if (!facts) co_return facts;
  facts->podman = is_podman(*said);
  if (auto const fit = check_engine(*facts, machine_name(), oci_runtime); !fit)
    co_return std::unexpected(fit.error());
  facts_ = *facts;
  co_return facts;
}

void DockerEngine::forget() {
  facts_.reset();
  images_.clear();
}

Task<Result<ImageFacts>> DockerEngine::image(std::string name,
                                             std::function<void(std::string)> told) {
  if (auto const known = images_.find(name); known != images_.end()) co_return known->second;
  if (!is_image_name(name))
    co_return fail(ErrorCode::invalid_argument, "'{}' is no name of an image", printable(name));
  Call const ask{.what = fmt::format("find the image {}", name),
                 .method = "GET",
                 .path = fmt::format("/images/{}/json", name),
                 .body = {},
                 .limit = kAskLimit};
  auto described = co_await client_.send(ask);
  if (!described && is(described.error(), ErrorCode::not_found)) {
    auto const pulled = co_await pull(name, std::move(told));
    if (!pulled) co_return std::unexpected(pulled.error());
    described = co_await client_.send(ask);
  }
  if (!described) co_return std::unexpected(described.error());
  auto facts = parse_image(*described);
  if (facts) images_.insert_or_assign(name, *facts);
  co_return facts;
}

Task<Status> DockerEngine::pull(std::string name, std::function<void(std::string)> told) {
  log::info("image-pull", {{"image", name}});
  auto const refuse = [&name](Error const& error) {
    return fail_next(
        error.code == ErrorCode::unavailable ? error.code : ErrorCode::not_found,
        fmt::format("the image {} is not here and could not be pulled: {}", name, error.message),
        fmt::format("load it into the engine (docker pull {} with your login, or docker load), or "
                    "name another image",
                    name));
  };
  auto const parts = split_image_name(name);
  Call ask{
      .what = fmt::format("pull {}", name),
      .method = "POST",
      .path = fmt::format("/images/create?fromImage={}&tag={}",
                          net::percent_encode(parts.repository), net::percent_encode(parts.tag)),
      .body = {},
      .limit = kPullSilence};
  auto const answer = co_await client_.open(std::move(ask));
  if (!answer) co_return refuse(answer.error());
  LineSplitter splitter;
  for (;;) {
    auto const piece = co_await (*answer)->read();
    if (!piece) co_return refuse(piece.error());
    if (!*piece) co_return Status{};
    auto const lines = splitter.feed(**piece);
    if (!lines) co_return std::unexpected(lines.error());
    for (auto const& line : *lines) {
      auto const progress = parse_pull_progress(line);
      if (!progress) co_return refuse(progress.error());
      told(*progress);
    }
  }
}

Task<Result<std::string>> DockerEngine::create(std::string name, json::object body) {
  Call ask{.what = fmt::format("create the container {}", name),
           .method = "POST",
           .path = fmt::format("/containers/create?name={}", name),
           .body = json::serialize(body)};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_created(*answer);
}

Task<Status> DockerEngine::start(std::string container) {
  Call ask{.what = fmt::format("start the container {}", short_id(container)),
           .method = "POST",
           .path = fmt::format("/containers/{}/start", container),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Status{};
}

Task<Status> DockerEngine::rename(std::string container, std::string name) {
  Call ask{.what = fmt::format("rename the container {}", short_id(container)),
           .method = "POST",
           .path = fmt::format("/containers/{}/rename?name={}", container, name),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Status{};
}

Task<Status> DockerEngine::signal(std::string container, std::string name) {
  Call ask{.what = fmt::format("send {} to the container {}", name, short_id(container)),
           .method = "POST",
           .path = fmt::format("/containers/{}/kill?signal={}", container, name),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  bool const over = !answer && (is(answer.error(), ErrorCode::conflict) ||
                                is(answer.error(), ErrorCode::not_found));
  if (answer || over) co_return Status{};
  co_return std::unexpected(answer.error());
}

Task<Status> DockerEngine::pause(std::string container) {
  Call ask{.what = fmt::format("freeze the container {}", short_id(container)),
           .method = "POST",
           .path = fmt::format("/containers/{}/pause", container),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (answer) co_return Status{};
  auto const ended = co_await inspect(container);
  // Whatever the reason, nothing of it runs.
  if (ended ? ended->state != ContainerState::running : is(ended.error(), ErrorCode::not_found))
    co_return Status{};
  co_return std::unexpected(answer.error());
}

Task<Status> DockerEngine::unpause(std::string container) {
  Call ask{.what = fmt::format("thaw the container {}", short_id(container)),
           .method = "POST",
           .path = fmt::format("/containers/{}/unpause", container),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (answer) co_return Status{};
  auto const ended = co_await inspect(container);
  if (ended ? ended->state != ContainerState::paused : is(ended.error(), ErrorCode::not_found))
    co_return Status{};
  co_return std::unexpected(answer.error());
}

Task<Status> DockerEngine::stop(std::string container, Millis grace) {
  auto const seconds = std::chrono::ceil<std::chrono::seconds>(grace).count();
  Call ask{.what = fmt::format("stop the container {}", short_id(container)),
           .method = "POST",
           .path = fmt::format("/containers/{}/stop?t={}", container, seconds),
           .body = {},
           .limit = grace + EngineClient::kUsualLimit};
  auto const answer = co_await client_.send(std::move(ask));
  if (answer || is(answer.error(), ErrorCode::not_found)) co_return Status{};
  co_return std::unexpected(answer.error());
}

Task<Status> DockerEngine::remove(std::string container) {
  Call ask{.what = fmt::format("remove the container {}", short_id(container)),
           .method = "DELETE",
           .path = fmt::format("/containers/{}?force=true&v=true", container),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  // A conflict is a removal that is under way.
  bool const gone = !answer && (is(answer.error(), ErrorCode::not_found) ||
                                is(answer.error(), ErrorCode::conflict));
  if (answer || gone) co_return Status{};
  co_return std::unexpected(answer.error());
}

Task<Result<ContainerEnd>> DockerEngine::inspect(std::string container) {
  Call ask{.what = fmt::format("describe the container {}", short_id(container)),
           .method = "GET",
           .path = fmt::format("/containers/{}/json", container),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_inspection(*answer);
}

Task<Result<std::string>> DockerEngine::output(std::string container, int lines) {
  Call ask{
      .what = fmt::format("show the output of the container {}", short_id(container)),
      .method = "GET",
      .path = fmt::format("/containers/{}/logs?stdout=true&stderr=true&tail={}", container, lines),
      .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_output(*answer);
}

Task<Result<std::unique_ptr<net::ResponseStream>>> DockerEngine::follow_output(
    std::string container, OutputSince since) {
  std::string from =
      since.lines == 0 || since.second ? "tail=all" : fmt::format("tail={}", since.lines);
  if (since.second) from += fmt::format("&since={}", *since.second);
  Call ask{.what = fmt::format("show the output of the container {}", short_id(container)),
           .method = "GET",
           .path = fmt::format(
               "/containers/{}/logs?stdout=true&stderr=true&follow=true&timestamps=true&{}",
               container, from),
           .body = {},
           .limit = kAskLimit};
  co_return co_await client_.open(std::move(ask));
}

Task<Result<ContainerUsage>> DockerEngine::usage(std::string container) {
  Call ask{.what = fmt::format("say what the container {} uses", short_id(container)),
           .method = "GET",
           .path = fmt::format("/containers/{}/stats?stream=false&one-shot=true", container),
           .body = {},
           .limit = kAskLimit};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_usage(*answer);
}

Task<Result<Volume>> DockerEngine::volume(std::string name) {
  Call ask{.what = fmt::format("describe the volume {}", name),
           .method = "GET",
           .path = fmt::format("/volumes/{}", name),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_volume(*answer);
}

Task<Status> DockerEngine::create_volume(std::string name, json::object labels) {
  json::object const body{
      {"Name", json::string{name}}, {"Driver", "local"}, {"Labels", std::move(labels)}};
  Call ask{.what = fmt::format("create the volume {}", name),
           .method = "POST",
           .path = "/volumes/create",
           .body = json::serialize(body)};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Status{};
}

Task<Status> DockerEngine::remove_volume(std::string name) {
  Call ask{.what = fmt::format("remove the volume {}", name),
           .method = "DELETE",
           .path = fmt::format("/volumes/{}", name),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (answer || is(answer.error(), ErrorCode::not_found)) co_return Status{};
  co_return std::unexpected(answer.error());
}

Task<Result<std::vector<Container>>> DockerEngine::list(std::string server) {
  Call ask{.what = "list its containers",
           .method = "GET",
           .path = fmt::format("/containers/json?all=true&filters={}",
                               filters({{"label", label_of(server)}})),
           .body = {}};
  auto const answer = co_await client_.send(std::move(ask));
  if (!answer) co_return std::unexpected(answer.error());
  co_return parse_containers(*answer);
}

Task<Result<std::unique_ptr<net::ResponseStream>>> DockerEngine::events(std::string server) {
  Call ask{.what = "tell its events",
           .method = "GET",
           .path = fmt::format("/events?filters={}",
                               filters({{"type", "container"}, {"label", label_of(server)}})),
           .body = {},
           .limit = kAskLimit};
  co_return co_await client_.open(std::move(ask));
}

}  // namespace drover::runtime
