#include "agent/mcp_tool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "agent/output.h"
#include "base/text.h"

namespace drover::agent {

namespace {

// Of a model's API.
constexpr std::size_t kNameBytesMax = 128;

bool is_callable(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// What is no text is named: the model has no other way to look at it here.
std::string text_of(json::value const& item) {
  auto const* const object = item.if_object();
  if (object == nullptr) return {};
  auto const type = string_or(*object, "type", "");
  if (type == "text") return std::string{string_or(*object, "text", "")};
  if (type == "resource") {
    auto const* const resource = object->if_contains("resource");
    if (resource != nullptr && resource->is_object() && resource->get_object().contains("text"))
      return std::string{string_or(resource->get_object(), "text", "")};
  }
  if (type == "resource_link")
    return fmt::format("[a link to {}]", printable(string_or(*object, "uri", ""), 500));
  return fmt::format("[{} left out, {} bytes of {}]", printable(type, 40),
                     string_or(*object, "data", "").size(),
                     printable(string_or(*object, "mimeType", "an unknown kind"), 80));
}

class McpTool final : public Tool {
 public:
  McpTool(McpPort& port, std::string server, std::string name, model::ToolSpec spec)
      : port_(port), server_(std::move(server)), name_(std::move(name)), spec_(std::move(spec)) {}

  [[nodiscard]] model::ToolSpec const& spec() const override { return spec_; }
  // What a server says of its tools' effects is not believed.
  [[nodiscard]] ToolKind kind() const override { return ToolKind::with_effects; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    json::object const params{{"name", json::string{name_}}, {"arguments", input.raw()}};
    auto const result = port_.ask(server_, "tools/call", params);
    if (!result) return tool_error(result.error().message);
    auto const* const object = result->if_object();
    if (object == nullptr) return tool_error("The tool's answer cannot be read.");
    OutputCapture capture{scope.spill_path};
    auto const* const content = object->if_contains("content");
    bool any = false;
    if (content != nullptr && content->is_array())
      for (json::value const& item : content->get_array()) {
        if (any) capture.append("\n");
        capture.append(text_of(item));
        any = true;
      }
    auto const* const structured = object->if_contains("structuredContent");
    if (!any && structured != nullptr) capture.append(json::serialize(*structured));
    std::string text = capture.finish();
    if (text.empty()) text = "(no output)";
    auto const* const failed = object->if_contains("isError");
    bool const is_error = failed != nullptr && failed->is_bool() && failed->get_bool();
    return is_error ? tool_error(std::move(text)) : tool_ok(std::move(text));
  }

 private:
  McpPort& port_;
  std::string server_;
  std::string name_;
  model::ToolSpec spec_;
};

}  // namespace

McpTools make_mcp_tools(McpPort& port, std::string const& server, json::value const& listed) {
  McpTools made;
  auto const* const page = listed.if_object();
  auto const* const tools = page == nullptr ? nullptr : page->if_contains("tools");
  if (tools == nullptr || !tools->is_array()) {
    made.left_out.push_back(fmt::format("the MCP server {} lists no tools", server));
    return made;
  }
  for (json::value const& item : tools->get_array()) {
    auto const* const tool = item.if_object();
    if (tool == nullptr) continue;
    std::string name{string_or(*tool, "name", "")};
    model::ToolSpec spec;
    spec.name = fmt::format("mcp__{}__{}", server, name);
    spec.description = string_or(*tool, "description", "");
    auto const* const schema = tool->if_contains("inputSchema");
    bool const fits = is_callable(spec.name) && schema != nullptr && schema->is_object();
    if (!fits) {
      made.left_out.push_back(fmt::format(
          "the tool '{}' of the MCP server {} is left out: its name or its schema is none that a "
          "model's API takes",
          printable(name, 80), server));
      continue;
    }
    spec.input_schema = json::serialize(*schema);
    made.tools.push_back(std::make_unique<McpTool>(port, server, std::move(name), std::move(spec)));
  }
  return made;
}

}  // namespace drover::agent
