#include "model/scripted_view.h"

#include <string_view>

#include <boost/json.hpp>

namespace drover::model {

namespace {

// A string, or the joined text of an array of content blocks, whatever the format calls them.
std::string text_of(json::value const* content) {
  if (content == nullptr) return {};
  if (content->is_string()) return std::string{content->get_string()};
  if (!content->is_array()) return {};
  std::string out;
  for (json::value const& block : content->get_array()) {
    if (!block.is_object()) continue;
    std::string_view const type = string_or(block.get_object(), "type", "");
    if (type != "text" && type != "input_text" && type != "output_text") continue;
    if (!out.empty()) out += '\n';
    out += string_or(block.get_object(), "text", "");
  }
  return out;
}

bool is_true(json::object const& object, std::string_view key) {
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

void add_system(json::value const* content, RequestView& view) {
  std::string const text = text_of(content);
  if (text.empty()) return;
  if (!view.system.empty()) view.system += '\n';
  view.system += text;
}

void add_user_text(json::value const* content, RequestView& view) {
  std::string text = text_of(content);
  if (!text.empty()) view.last_user_text = std::move(text);
}

void add_results(json::value const* content, RequestView& view) {
  if (content == nullptr || !content->is_array()) return;
  for (json::value const& value : content->get_array()) {
    if (!value.is_object()) continue;
    json::object const& block = value.get_object();
    if (string_or(block, "type", "") != "tool_result") continue;
    view.results.push_back({text_of(block.if_contains("content")), is_true(block, "is_error")});
  }
}

// Messages and Chat Completions.
void read_message(json::object const& message, RequestView& view) {
  std::string_view const role = string_or(message, "role", "");
  auto const* const content = message.if_contains("content");
  if (role == "assistant") {
    ++view.answers;
    view.results.clear();
  } else if (role == "user") {
    add_results(content, view);
    add_user_text(content, view);
  } else if (role == "tool") {
    view.results.push_back({text_of(content), std::nullopt});
  } else if (role == "system" || role == "developer") {
    add_system(content, view);
  }
}

// One item of a Responses input. An answer of the model is there as several items in a row.
class InputReader {
 public:
  explicit InputReader(RequestView& view) : view_(view) {}

  void read(json::object const& item) {
    std::string_view const type = string_or(item, "type", "message");
    std::string_view const role = string_or(item, "role", "");
    if (type.ends_with("_output")) {
      in_answer_ = false;
      view_.results.push_back({text_of(item.if_contains("output")), std::nullopt});
    } else if (type != "message" || role == "assistant") {
      if (!in_answer_) {
        ++view_.answers;
        view_.results.clear();
      }
      in_answer_ = true;
    } else {
      in_answer_ = false;
      if (role == "user") add_user_text(item.if_contains("content"), view_);
      if (role != "user") add_system(item.if_contains("content"), view_);
    }
  }

 private:
  RequestView& view_;
  bool in_answer_ = false;
};

void read_tools(json::object const& body, RequestView& view) {
  auto const* const tools = body.if_contains("tools");
  if (tools == nullptr || !tools->is_array()) return;
  for (json::value const& tool : tools->get_array()) {
    if (!tool.is_object()) continue;
    auto const* const function = tool.get_object().if_contains("function");
    bool const nested = function != nullptr && function->is_object();
    view.tools.emplace_back(
        string_or(nested ? function->get_object() : tool.get_object(), "name", ""));
  }
}

}  // namespace

std::optional<RequestView> view_of(json::value const& request, WireFormat format) {
  if (!request.is_object()) return {};
  json::object const& body = request.get_object();
  RequestView view;
  auto const* const items =
      body.if_contains(format == WireFormat::responses ? "input" : "messages");
  if (items == nullptr) return {};
  view.model = string_or(body, "model", "");
  add_system(body.if_contains(format == WireFormat::responses ? "instructions" : "system"), view);
  view.stream = is_true(body, "stream");
  auto const* const options = body.if_contains("stream_options");
  if (options != nullptr && options->is_object())
    view.wants_usage = is_true(options->get_object(), "include_usage");
  read_tools(body, view);
  if (format == WireFormat::responses && items->is_string()) {
    view.last_user_text = items->get_string();
    return view;
  }
  if (!items->is_array()) return {};
  InputReader reader{view};
  for (json::value const& item : items->get_array()) {
    if (!item.is_object()) continue;
    if (format == WireFormat::responses) {
      reader.read(item.get_object());
    } else {
      read_message(item.get_object(), view);
    }
  }
  return view;
}

}  // namespace drover::model
