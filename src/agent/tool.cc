#include "agent/tool.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <filesystem>

#include "base/text.h"

namespace drover::agent {

namespace {

struct Maker {
  std::string_view name;
  std::unique_ptr<Tool> (*make)();
};
constexpr std::array kMakers = {
    Maker{"Read", make_read_tool},           Maker{"Write", make_write_tool},
    Maker{"Edit", make_edit_tool},           Maker{"Bash", make_bash_tool},
    Maker{"Glob", make_glob_tool},           Maker{"Grep", make_grep_tool},
    Maker{"AskUserQuestion", make_ask_tool},
};

std::unique_ptr<Tool> make_one(std::string_view name) {
  for (Maker const& maker : kMakers)
    if (maker.name == name) return maker.make();
  return nullptr;
}

}  // namespace

Result<Tools> make_tools(std::vector<std::string> const& names) {
  Tools tools;
  for (std::string const& name : names) {
    auto tool = make_one(name);
    if (tool == nullptr)
      return fail(ErrorCode::invalid_argument, "there is no tool '{}'; the native runner has {}",
                  printable(name), fmt::join(tool_names(), ", "));
    tools.push_back(std::move(tool));
  }
  return tools;
}

std::vector<std::string> const& tool_names() {
  static std::vector<std::string> const kNames = [] {
    std::vector<std::string> names;
    for (Maker const& maker : kMakers)
      names.emplace_back(maker.name);
    return names;
  }();
  return kNames;
}

std::string resolve_path(std::string_view path, std::string_view cwd) {
  std::filesystem::path full{path};
  if (full.is_relative()) full = std::filesystem::path{cwd} / full;
  std::string text = full.lexically_normal().string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

ToolReply bad_arguments(Error const& error) {
  return tool_error(fmt::format("The arguments do not fit: {}", error.message));
}

}  // namespace drover::agent
