#include "cli/dispatch.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "os/files.h"

namespace drover::cli {

namespace {

constexpr std::string_view kScripted = "scripted:";

// Whole seconds; a part of one is rounded up, so that no limit becomes 0.
std::int64_t seconds_of(Millis time) {
  return std::chrono::ceil<std::chrono::seconds>(time).count();
}

template <class Dispatch>
json::object limits_of(Dispatch const& command) {
  json::object limits;
  if (command.max_turns) limits["max_turns"] = *command.max_turns;
  if (command.max_budget_usd) limits["max_budget_usd"] = *command.max_budget_usd;
  if (command.timeout) limits["timeout_s"] = seconds_of(*command.timeout);
  return limits;
}

json::object grant_of(GrantedWorkspace const& workspace) {
  json::object grant;
  grant["id"] = workspace.id.str();
  if (workspace.access == Access::read_only) grant["mode"] = "ro";
  if (workspace.access == Access::read_write) grant["mode"] = "rw";
  if (workspace.access == Access::propose) grant["mode"] = "propose";
  if (workspace.checkout == Checkout::worktree) grant["checkout"] = "worktree";
  if (workspace.checkout == Checkout::allow_dirty) grant["checkout"] = "allow_dirty";
  return grant;
}

void put_wishes(json::object& invocation, QueueWishes const& wishes) {
  if (wishes.priority) invocation["priority"] = *wishes.priority;
  if (wishes.delay) invocation["delay_s"] = seconds_of(*wishes.delay);
  if (!wishes.at.empty()) invocation["delay_until"] = wishes.at;
  if (!wishes.tenant.empty()) invocation["tenant"] = wishes.tenant;
  json::array keys;
  for (KeyShare const& share : wishes.keys)
    keys.push_back(json::object{{"key", json::string{share.key}}, {"max", share.max}});
  if (!keys.empty()) invocation["concurrency"] = std::move(keys);
  if (wishes.dedup_key.empty()) return;
  json::object dedup;
  dedup["key"] = wishes.dedup_key;
  if (wishes.dedup_life) dedup["life_s"] = seconds_of(*wishes.dedup_life);
  invocation["dedup"] = std::move(dedup);
}

std::size_t first_bad_byte(std::string_view text) {
  // The longest well-formed prefix; halving is enough for a message.
  std::size_t good = 0;
  std::size_t bad = text.size();
  while (bad - good > 1) {
    std::size_t const middle = good + (bad - good) / 2;
    std::string_view const prefix = utf8_prefix(text, middle);
    if (is_utf8(prefix)) {
      good = middle;
    } else {
      bad = middle;
    }
  }
  return utf8_prefix(text, good).size();
}

}  // namespace

Result<std::string> read_prompt(std::string const& argument, int stdin_fd) {
  std::string prompt = argument;
  if (argument == "-") {
    auto text = os::read_all(stdin_fd, "stdin", kPromptBytesMax);
    if (!text && text.error().code == ErrorCode::too_large)
      return fail_next(
          ErrorCode::too_large,
          fmt::format("the prompt on stdin is over the limit of {} bytes", kPromptBytesMax),
          "put it into a file of the workspace and name the file");
    if (!text) return std::unexpected(text.error());
    prompt = *std::move(text);
  }
  if (prompt.size() > kPromptBytesMax)
    return fail_next(ErrorCode::too_large,
                     fmt::format("the prompt has {} bytes, over the limit of {}", prompt.size(),
                                 kPromptBytesMax),
                     "put it into a file of the workspace and name the file");
  if (!is_utf8(prompt))
    return fail(ErrorCode::invalid_argument, "the prompt is not valid UTF-8 near byte {}",
                first_bad_byte(prompt));
  if (trim(prompt).empty()) return fail(ErrorCode::invalid_argument, "the prompt is empty");
  return prompt;
}

Result<std::string> resolve_model(std::string const& model) {
  if (!model.starts_with(kScripted)) return model;
  std::string const file = model.substr(kScripted.size());
  if (file.empty()) return fail(ErrorCode::invalid_argument, "--model scripted: names no file");
  auto const path = os::real_path(file);
  if (!path) return fail(ErrorCode::invalid_argument, "--model: {}", path.error().message);
  if (!std::filesystem::is_regular_file(*path))
    return fail(ErrorCode::invalid_argument, "--model: {} is no regular file", printable(*path));
  return fmt::format("{}{}", kScripted, *path);
}

Result<std::string> read_payload(std::string const& argument) {
  if (argument.empty()) return argument;
  bool const is_file = argument.starts_with('@');
  auto text = is_file ? os::read_file(argument.substr(1), kPayloadBytesMax) : argument;
  if (!text) return fail(ErrorCode::invalid_argument, "--payload: {}", text.error().message);
  if (auto const value = parse_json(*text); !value)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("--payload is no JSON: {}", value.error().message),
                     is_file ? "" : "give JSON, or @FILE for a file that holds it");
  return text;
}

std::string subject_of(Environment const& environment) {
  passwd const* const user = ::getpwuid(::geteuid());
  if (user != nullptr && user->pw_name != nullptr) return make_slug(user->pw_name);
  return make_slug(environment("USER").value_or("user"));
}

json::object make_invocation(RunCommand const& command,
                             std::vector<GrantedWorkspace> const& workspaces,
                             std::string_view subject) {
  json::object invocation;
  invocation["identity"] =
      json::object{{"subject", subject}, {"launcher", fmt::format("user:{}", subject)}};
  invocation["runner"] = command.runner.empty() ? "native" : command.runner;
  json::array grants;
  for (GrantedWorkspace const& workspace : workspaces)
    grants.push_back(grant_of(workspace));
  invocation["workspaces"] = std::move(grants);
  invocation["trigger"] = "message";
  json::object entrypoint;
  if (!command.prompt.empty()) entrypoint["inline"] = command.prompt;
  json::object start;
  start["entrypoint"] = std::move(entrypoint);
  invocation["start"] = std::move(start);
  if (!command.session.empty()) invocation["session"] = command.session;
  if (!command.agent.empty()) invocation["agent"] = command.agent;
  if (!command.model.empty()) invocation["model"] = command.model;
  if (!command.task_type.empty()) invocation["task_type"] = command.task_type;
  put_wishes(invocation, command.queue);
  if (!command.payload.empty()) invocation["payload"] = parse_json(command.payload).value();
  if (auto limits = limits_of(command); !limits.empty()) invocation["limits"] = std::move(limits);
  return invocation;
}

json::object make_message(SendCommand const& command) {
  json::object message;
  message["prompt"] = command.prompt;
  if (!command.model.empty()) message["model"] = command.model;
  if (auto limits = limits_of(command); !limits.empty()) message["limits"] = std::move(limits);
  return message;
}

}  // namespace drover::cli
