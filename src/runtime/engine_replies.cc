#include "runtime/engine_replies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "runtime/output_frames.h"

namespace drover::runtime {

namespace {

// Since 1.41 a container can have a cgroup namespace of its own; nothing newer is needed.
constexpr int kApiMinorOldest = 41;
constexpr int kApiMinorNewest = 47;
constexpr std::size_t kImageNameBytesMax = 512;

Result<json::value> parse(std::string_view what, std::string_view text) {
  auto value = parse_json(text, {.bytes_max = kEngineReplyBytesMax, .depth_max = 64});
  if (!value)
    return fail(ErrorCode::upstream, "the container engine's {} is not JSON: {}", what,
                value.error().message);
  return value;
}

Result<json::object> parse_object(std::string_view what, std::string_view text) {
  auto value = parse(what, text);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object())
    return fail(ErrorCode::upstream, "the container engine's {} is no JSON object", what);
  return std::move(value->get_object());
}

std::string text_or(json::object const& object, std::string_view key) {
  return std::string{string_or(object, key, "")};
}

bool flag(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

json::object const* object_at(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

// The minor number of "1.41"; nullopt for what is no version of major 1.
std::optional<int> minor_of(std::string_view version) {
  if (!version.starts_with("1.")) return std::nullopt;
  version.remove_prefix(2);
  int minor = 0;
  auto const [end, error] = std::from_chars(version.data(), version.data() + version.size(), minor);
  if (error != std::errc{} || end != version.data() + version.size()) return std::nullopt;
  return minor;
}

template <class T>
std::optional<T> number_in(std::string_view text) {
  T number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Podman says it as Go does.
std::string machine_name(std::string name) {
  if (name == "amd64") return "x86_64";
  if (name == "arm64") return "aarch64";
  return name;
}

Result<ContainerState> state_of(std::string_view name) {
  // Podman says "configured" and "stopped".
  if (name == "created" || name == "configured" || name == "initialized")
    return ContainerState::created;
  if (name == "running" || name == "restarting" || name == "stopping")
    return ContainerState::running;
  if (name == "paused") return ContainerState::paused;
  if (name == "exited" || name == "dead" || name == "removing" || name == "stopped")
    return ContainerState::ended;
  return fail(ErrorCode::upstream, "the container engine names a state '{}' that drover knows not",
              printable(name, 40));
}

// A list says the id of the image in the place of its name once the name means another.
bool moved(json::object const& container, std::string_view asked) {
  auto const shown = string_or(container, "Image", "");
  return !asked.empty() && shown != asked && shown.starts_with("sha256:") &&
         shown == string_or(container, "ImageID", "");
}

// "/name"; of several the first, for the others are links.
std::string name_of(json::object const& container) {
  auto const* const names = container.if_contains("Names");
  if (names == nullptr || !names->is_array() || names->get_array().empty()) return {};
  auto const& first = names->get_array().front();
  if (!first.is_string()) return {};
  std::string_view name = first.get_string();
  if (name.starts_with('/')) name.remove_prefix(1);
  return std::string{name};
}

}  // namespace

Result<std::string> choose_api_version(std::string_view version_reply) {
  auto const reply = parse_object("version", version_reply);
  if (!reply) return std::unexpected(reply.error());
  auto const newest = minor_of(string_or(*reply, "ApiVersion", ""));
  auto const oldest = minor_of(string_or(*reply, "MinAPIVersion", "1.12"));
  if (!newest || !oldest)
    return fail(ErrorCode::upstream, "the container engine does not say its API's version");
  int const chosen = std::min(*newest, kApiMinorNewest);
  if (chosen < kApiMinorOldest || chosen < *oldest)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("the container engine speaks the API 1.{} to 1.{}; drover knows "
                                 "1.{} to 1.{}",
                                 *oldest, *newest, kApiMinorOldest, kApiMinorNewest),
                     "use Docker 20.10 or newer, or Podman 4 or newer");
  return fmt::format("1.{}", chosen);
}

bool is_podman(std::string_view version_reply) {
  auto const reply = parse_object("version", version_reply);
  auto const* const components = reply ? reply->if_contains("Components") : nullptr;
  if (components == nullptr || !components->is_array()) return false;
  return std::ranges::any_of(components->get_array(), [](json::value const& component) {
    return component.is_object() &&
           string_or(component.get_object(), "Name", "") == "Podman Engine";
  });
}

Result<EngineFacts> parse_engine_facts(std::string_view info_reply) {
  auto const reply = parse_object("information", info_reply);
  if (!reply) return std::unexpected(reply.error());
  EngineFacts facts;
  facts.os = text_or(*reply, "OSType");
  facts.version = text_or(*reply, "ServerVersion");
  facts.architecture = machine_name(text_or(*reply, "Architecture"));
  facts.memory_limit = flag(*reply, "MemoryLimit");
  facts.swap_limit = flag(*reply, "SwapLimit");
  facts.pids_limit = flag(*reply, "PidsLimit");
  facts.cpu_limit = flag(*reply, "CpuCfsQuota");
  if (auto const* const runtimes = object_at(*reply, "Runtimes"))
    for (auto const& [name, value] : *runtimes)
      facts.runtimes.emplace(name);
  auto const* const options = reply->if_contains("SecurityOptions");
  if (options == nullptr || !options->is_array()) return facts;
  for (auto const& option : options->get_array()) {
    if (!option.is_string()) continue;
    // "name=seccomp,profile=default"
    std::string_view const name = split(option.get_string(), ',').front();
    facts.rootless = facts.rootless || name == "name=rootless";
    facts.remapped = facts.remapped || name == "name=userns";
    facts.seccomp = facts.seccomp || name == "name=seccomp";
  }
  return facts;
}

Result<ImageFacts> parse_image(std::string_view reply) {
  auto const image = parse_object("description of an image", reply);
  if (!image) return std::unexpected(image.error());
  ImageFacts facts;
  auto const* const config = object_at(*image, "Config");
  auto const* const volumes = config == nullptr ? nullptr : object_at(*config, "Volumes");
  if (volumes != nullptr)
    for (auto const& [folder, value] : *volumes)
      facts.volumes.emplace_back(folder);
  return facts;
}

Result<std::vector<Container>> parse_containers(std::string_view reply) {
  auto const value = parse("list of containers", reply);
  if (!value) return std::unexpected(value.error());
  if (!value->is_array())
    return fail(ErrorCode::upstream, "the container engine's list of containers is no list");
  std::vector<Container> containers;
  for (auto const& item : value->get_array()) {
    if (!item.is_object())
      return fail(ErrorCode::upstream, "the container engine lists what is no container");
    auto const& object = item.get_object();
    auto const state = state_of(string_or(object, "State", ""));
    if (!state) return std::unexpected(state.error());
    Container container;
    container.id = text_or(object, "Id");
    if (container.id.empty())
      return fail(ErrorCode::upstream, "the container engine lists a container without an id");
    container.state = *state;
    if (auto const* const labels = object_at(object, "Labels")) {
      container.server = text_or(*labels, kServerLabel);
      container.workload = text_or(*labels, kWorkloadLabel);
      container.spec = text_or(*labels, kSpecLabel);
      container.user = number_in<std::uint32_t>(string_or(*labels, kUserLabel, ""));
      container.fleet = text_or(*labels, kFleetLabel);
      container.agent = text_or(*labels, kAgentLabel);
      container.instance = text_or(*labels, kInstanceLabel);
      container.image_moved = moved(object, string_or(*labels, kImageLabel, ""));
    }
    container.name = name_of(object);
    auto const said = string_or(object, "State", "");
    container.restarting = said == "restarting";
    container.removing = said == "removing" || said == "dead";
    containers.push_back(std::move(container));
  }
  return containers;
}

Result<ContainerEnd> parse_inspection(std::string_view reply) {
  auto const object = parse_object("description of a container", reply);
  if (!object) return std::unexpected(object.error());
  auto const* const state = object_at(*object, "State");
  if (state == nullptr)
    return fail(ErrorCode::upstream, "the container engine describes a container without a state");
  auto const known = state_of(string_or(*state, "Status", ""));
  if (!known) return std::unexpected(known.error());
  ContainerEnd end;
  end.state = *known;
  end.out_of_memory = flag(*state, "OOMKilled");
  end.error = text_or(*state, "Error");
  end.pid = static_cast<int>(integer_or(*state, "Pid", 0));
  end.restarting = flag(*state, "Restarting");
  if (*known == ContainerState::ended || end.restarting)
    end.exit_code = static_cast<int>(integer_or(*state, "ExitCode", -1));
  end.restarts = integer_or(*object, "RestartCount", 0);
  end.image = text_or(*object, "Image");
  // "0001-01-01T00:00:00Z" of one that never was.
  if (auto const started = parse_rfc3339(string_or(*state, "StartedAt", ""));
      started && *started > WallTime{})
    end.started = *started;
  return end;
}

Result<Volume> parse_volume(std::string_view reply) {
  auto const object = parse_object("description of a volume", reply);
  if (!object) return std::unexpected(object.error());
  Volume volume;
  volume.place = text_or(*object, "Mountpoint");
  if (auto const* const labels = object_at(*object, "Labels")) {
    volume.fleet = text_or(*labels, kFleetLabel);
    volume.instance = text_or(*labels, kInstanceLabel);
  }
  return volume;
}

Result<ContainerUsage> parse_usage(std::string_view reply) {
  auto const object = parse_object("usage of a container", reply);
  if (!object) return std::unexpected(object.error());
  ContainerUsage usage;
  constexpr std::int64_t kNanosOfMicro = 1000;
  auto const count = [](std::int64_t number) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
  };
  if (auto const* const memory = object_at(*object, "memory_stats"))
    usage.memory_bytes = count(integer_or(*memory, "usage", 0));
  auto const* const cpu = object_at(*object, "cpu_stats");
  if (auto const* const used = cpu == nullptr ? nullptr : object_at(*cpu, "cpu_usage"))
    usage.cpu_us = count(integer_or(*used, "total_usage", 0) / kNanosOfMicro);
  return usage;
}

Result<std::string> parse_created(std::string_view reply) {
  auto const object = parse_object("answer to a creation", reply);
  if (!object) return std::unexpected(object.error());
  auto id = text_or(*object, "Id");
  if (id.empty())
    return fail(ErrorCode::upstream, "the container engine made a container without an id");
  return id;
}

Result<EngineEvent> parse_engine_event(std::string_view line) {
  auto const object = parse_object("event", line);
  if (!object) return std::unexpected(object.error());
  EngineEvent event;
  // Podman's names differ.
  auto const action = string_or(*object, "Action", string_or(*object, "status", ""));
  if (action == "start") event.action = EngineAction::started;
  if (action == "pause" || action == "unpause" || action == "rename")
    event.action = EngineAction::altered;
  if (action == "die" || action == "died") event.action = EngineAction::ended;
  if (action == "oom") event.action = EngineAction::out_of_memory;
  if (action == "destroy" || action == "remove") event.action = EngineAction::removed;
  auto const* const actor = object_at(*object, "Actor");
  event.container = actor == nullptr ? text_or(*object, "id") : text_or(*actor, "ID");
  auto const* const attributes = actor == nullptr ? nullptr : object_at(*actor, "Attributes");
  if (attributes == nullptr || event.action != EngineAction::ended) return event;
  event.exit_code = number_in<int>(
      string_or(*attributes, "exitCode", string_or(*attributes, "containerExitCode", "")));
  return event;
}

Result<std::vector<std::string>> LineSplitter::feed(std::string_view bytes) {
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    auto const end = bytes.find('\n');
    pending_.append(bytes.substr(0, end));
    if (pending_.size() > kEngineLineBytesMax)
      return fail(ErrorCode::too_large, "the container engine sent a line of more than {} bytes",
                  kEngineLineBytesMax);
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (!trim(pending_).empty()) lines.push_back(std::move(pending_));
    pending_.clear();
  }
  return lines;
}

Result<std::string> parse_pull_progress(std::string_view line) {
  auto const object = parse_object("progress of a pull", line);
  if (!object) return std::unexpected(object.error());
  if (auto const error = string_or(*object, "error", ""); !error.empty())
    return fail(ErrorCode::upstream, "{}", printable(error, 300));
  auto const layer = text_or(*object, "id");
  auto words = text_or(*object, "status");
  if (!layer.empty()) words = fmt::format("{}: {}", layer, words);
  if (auto const bar = string_or(*object, "progress", ""); !bar.empty())
    words += fmt::format(" {}", bar);
  return printable(words, 200);
}

Result<std::string> parse_output(std::string_view frames) {
  OutputFrames splitter;
  auto const whole = splitter.feed(frames);
  if (!whole) return std::unexpected(whole.error());
  std::string output;
  for (auto const& frame : *whole)
    output += frame;
  return output.append(splitter.rest());
}

Error engine_refusal(std::string_view what, int status, std::string_view body) {
  std::string reason;
  if (auto const object = parse_object("refusal", body)) reason = text_or(*object, "message");
  if (reason.empty()) reason = fmt::format("HTTP status {}", status);
  ErrorCode code = ErrorCode::upstream;
  std::string next;
  if (status == 400) code = ErrorCode::invalid_argument;
  if (status == 404) code = ErrorCode::not_found;
  // Podman 4 has no status of its own for a name that another container has.
  bool const name_taken = reason.ends_with("that name is already in use");
  if (status == 409 || name_taken) code = ErrorCode::conflict;
  if (reason.find("bind source path does not exist") != std::string::npos)
    next =
        "the engine has to run on this machine and to see drover's folders; a mount namespace of "
        "its own (PrivateMounts, a virtual machine) hides them";
  if (reason.find("unknown runtime") != std::string::npos ||
      reason.find("Unknown runtime") != std::string::npos)
    next = "add the runtime to the engine's configuration, or unset DROVER_DOCKER_RUNTIME";
  return {code, fmt::format("the container engine could not {}: {}", what, printable(reason, 400)),
          next};
}

bool is_image_name(std::string_view text) {
  auto const plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty() || text.size() > kImageNameBytesMax || !plain(text.front())) return false;
  // It becomes part of a path: no segment may be empty or lead upwards.
  for (auto const segment : split(text, '/'))
    if (segment.empty() || segment == "." || segment == "..") return false;
  return std::ranges::all_of(text, [&](char c) {
    return plain(c) || c == '.' || c == '_' || c == '-' || c == '/' || c == ':' || c == '@';
  });
}

ImageName split_image_name(std::string_view text) {
  if (auto const at = text.find('@'); at != std::string_view::npos) {
    auto name = split_image_name(text.substr(0, at));
    return {std::move(name.repository), std::string{text.substr(at + 1)}};
  }
  auto const colon = text.rfind(':');
  auto const slash = text.rfind('/');
  // A colon before the last slash is a registry's port.
  bool const tagged =
      colon != std::string_view::npos && (slash == std::string_view::npos || slash < colon);
  if (!tagged) return {std::string{text}, "latest"};
  return {std::string{text.substr(0, colon)}, std::string{text.substr(colon + 1)}};
}

}  // namespace drover::runtime
