#include "runtime/profile.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "runtime/engine_replies.h"

namespace drover::runtime {

namespace {

constexpr std::int64_t kMostSeconds = 10LL * 365 * 24 * 3600;
constexpr std::int64_t kMost = 1'000'000'000;

std::unexpected<Error> refuse(std::string const& profile, std::string_view what) {
  return fail(ErrorCode::invalid_argument, "profile {}: {}", printable(profile, 60), what);
}

Result<std::vector<std::string>> texts_of(JsonObject const& object, std::string_view key) {
  std::vector<std::string> texts;
  auto const* const value = object.find(key);
  if (value == nullptr) return texts;
  if (!value->is_array())
    return fail(ErrorCode::invalid_argument, "{}: expected a list of strings",
                object.pointer_to(key));
  for (auto const& item : value->get_array()) {
    if (!item.is_string())
      return fail(ErrorCode::invalid_argument, "{}: expected a list of strings",
                  object.pointer_to(key));
    texts.emplace_back(item.get_string());
  }
  return texts;
}

Result<std::map<std::string, std::string>> environment_of(JsonObject const& object) {
  std::map<std::string, std::string> env;
  if (object.find("env") == nullptr) return env;
  auto const members = object.object("env");
  if (!members) return std::unexpected(members.error());
  for (auto const& [name, value] : members->raw()) {
    if (!value.is_string())
      return fail(ErrorCode::invalid_argument, "{}: expected a string", members->pointer_to(name));
    env.emplace(name, value.get_string());
  }
  return env;
}

Result<std::vector<ProfileMount>> mounts_of(JsonObject const& object) {
  std::vector<ProfileMount> mounts;
  auto const* const value = object.find("mounts");
  if (value == nullptr) return mounts;
  if (!value->is_array()) return fail(ErrorCode::invalid_argument, "/mounts: expected a list");
  for (auto const& item : value->get_array()) {
    auto const mount = JsonObject::of(item, "/mounts");
    if (!mount) return std::unexpected(mount.error());
    auto const workspace = mount->string("workspace");
    if (!workspace) return std::unexpected(workspace.error());
    auto const id = WorkspaceId::parse(*workspace);
    if (!id) return std::unexpected(id.error());
    auto path = mount->string("path");
    if (!path) return std::unexpected(path.error());
    if (!path->starts_with('/'))
      return fail(ErrorCode::invalid_argument, "/mounts: the path {} is not absolute",
                  printable(*path));
    mounts.push_back({*id, *std::move(path)});
  }
  return mounts;
}

Status only_known(JsonObject const& object) {
  constexpr std::string_view kKnown[] = {"backend", "image",  "command",   "cwd",
                                         "env",     "mounts", "cpu",       "memory_mb",
                                         "pids",    "idle_s", "lifetime_s"};
  for (auto const& [name, value] : object.raw())
    if (std::ranges::find(kKnown, std::string_view{name}) == std::ranges::end(kKnown))
      return fail(ErrorCode::invalid_argument, "/{}: there is no such member; known are {}",
                  printable(name, 40), fmt::join(kKnown, ", "));
  return {};
}

Result<std::int64_t> whole(JsonObject const& object, std::string_view key, std::int64_t most) {
  auto const number = object.optional_integer(key);
  if (!number) return std::unexpected(number.error());
  std::int64_t const value = number->value_or(0);
  if (value < 0 || value > most)
    return fail(ErrorCode::invalid_argument, "{}: expected 0 to {}", object.pointer_to(key), most);
  return value;
}

Status read_limits(JsonObject const& object, Profile& profile) {
  auto const cpu = object.optional_number("cpu");
  if (!cpu) return std::unexpected(cpu.error());
  profile.cpu = cpu->value_or(0);
  if (profile.cpu < 0) return fail(ErrorCode::invalid_argument, "/cpu: expected 0 or more");
  auto const memory = whole(object, "memory_mb", kMost);
  if (!memory) return std::unexpected(memory.error());
  profile.memory_mb = *memory;
  auto const pids = whole(object, "pids", kMost);
  if (!pids) return std::unexpected(pids.error());
  profile.pids = *pids;
  auto const idle = whole(object, "idle_s", kMostSeconds);
  if (!idle) return std::unexpected(idle.error());
  profile.idle = std::chrono::seconds{*idle};
  auto const lifetime = whole(object, "lifetime_s", kMostSeconds);
  if (!lifetime) return std::unexpected(lifetime.error());
  profile.lifetime = std::chrono::seconds{*lifetime};
  return {};
}

Status read_program(JsonObject const& object, Profile& profile) {
  auto const backend = object.optional_string("backend");
  if (!backend) return std::unexpected(backend.error());
  profile.backend = backend->value_or("");
  auto const image = object.optional_string("image");
  if (!image) return std::unexpected(image.error());
  profile.image = image->value_or("");
  auto command = texts_of(object, "command");
  if (!command) return std::unexpected(command.error());
  profile.command = *std::move(command);
  auto const cwd = object.optional_string("cwd");
  if (!cwd) return std::unexpected(cwd.error());
  profile.cwd = cwd->value_or("/");
  if (!profile.image.empty() && !is_image_name(profile.image))
    return fail(ErrorCode::invalid_argument, "/image: '{}' is no name of an image",
                printable(profile.image));
  if (profile.command.empty() && profile.image.empty())
    return fail(ErrorCode::invalid_argument, "/command: without an image there has to be one");
  if (!profile.command.empty() && !profile.command.front().starts_with('/'))
    return fail(ErrorCode::invalid_argument, "/command: '{}' is not absolute",
                printable(profile.command.front()));
  return {};
}

Status read_profile(JsonObject const& object, Profile& profile) {
  DROVER_TRY(only_known(object));
  DROVER_TRY(read_program(object, profile));
  DROVER_TRY(read_limits(object, profile));
  auto env = environment_of(object);
  if (!env) return std::unexpected(env.error());
  profile.env = *std::move(env);
  auto mounts = mounts_of(object);
  if (!mounts) return std::unexpected(mounts.error());
  profile.mounts = *std::move(mounts);
  return {};
}

}  // namespace

Result<Profile> parse_profile(std::string const& name, json::value const& value) {
  auto const object = JsonObject::of(value);
  if (!object) return refuse(name, object.error().message);
  Profile profile;
  profile.name = name;
  if (auto const read = read_profile(*object, profile); !read)
    return refuse(name, read.error().message);
  return profile;
}

Result<std::map<std::string, Profile>> parse_profiles(std::string_view name,
                                                      std::string_view text) {
  auto const value = parse_config(name, text);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  std::map<std::string, Profile> profiles;
  for (auto const& [key, described] : object->raw()) {
    std::string const profile_name{key};
    auto profile = parse_profile(profile_name, described);
    if (!profile) return std::unexpected(profile.error());
    profiles.emplace(profile_name, *std::move(profile));
  }
  return profiles;
}

json::object to_json(Profile const& profile) {
  json::array command;
  for (auto const& word : profile.command)
    command.emplace_back(word);
  json::object env;
  for (auto const& [name, value] : profile.env)
    env[name] = value;
  json::array mounts;
  for (auto const& mount : profile.mounts)
    mounts.push_back(json::object{{"workspace", mount.workspace.str()}, {"path", mount.path}});
  return {{"backend", profile.backend},
          {"image", profile.image},
          {"command", std::move(command)},
          {"cwd", profile.cwd},
          {"env", std::move(env)},
          {"mounts", std::move(mounts)},
          {"cpu", profile.cpu},
          {"memory_mb", profile.memory_mb},
          {"pids", profile.pids},
          {"idle_s", profile.idle.count() / 1000},
          {"lifetime_s", profile.lifetime.count() / 1000}};
}

}  // namespace drover::runtime
