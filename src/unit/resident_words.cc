#include "unit/resident_words.h"

#include "base/json.h"
#include "base/json_text.h"

namespace drover::unit {

namespace {

std::string line_of(JsonWriter writer) {
  std::string line = std::move(writer).str();
  line += '\n';
  return line;
}

JsonWriter begin(std::string_view type) {
  JsonWriter writer;
  writer.string("type", type);
  return writer;
}

Result<std::vector<std::string>> texts(JsonObject const& object, std::string_view key) {
  std::vector<std::string> found;
  auto const* const value = object.find(key);
  if (value == nullptr) return found;
  auto const* const items = value->if_array();
  if (items == nullptr)
    return fail(ErrorCode::invalid_argument, "{}: expected an array", object.pointer_to(key));
  for (json::value const& item : *items) {
    if (!item.is_string())
      return fail(ErrorCode::invalid_argument, "{}: expected texts", object.pointer_to(key));
    found.emplace_back(item.get_string());
    if (found.back().find('\0') != std::string::npos)
      return fail(ErrorCode::invalid_argument, "{}: a text has a zero byte",
                  object.pointer_to(key));
  }
  return found;
}

ResidentOrder::Type type_of(std::string_view name) {
  if (name == "unit") return ResidentOrder::Type::unit;
  if (name == "command") return ResidentOrder::Type::command;
  if (name == "signal") return ResidentOrder::Type::signal;
  return ResidentOrder::Type::unknown;
}

Status read_start(JsonObject const& object, ResidentOrder& order) {
  auto cwd = object.string("cwd");
  if (!cwd) return std::unexpected(cwd.error());
  order.cwd = *std::move(cwd);
  auto env = texts(object, "env");
  if (!env) return std::unexpected(env.error());
  order.env = *std::move(env);
  auto writable = texts(object, "writable");
  if (!writable) return std::unexpected(writable.error());
  order.writable = *std::move(writable);
  auto argv = texts(object, "argv");
  if (!argv) return std::unexpected(argv.error());
  order.argv = *std::move(argv);
  if (order.type == ResidentOrder::Type::command && order.argv.empty())
    return fail(ErrorCode::invalid_argument, "/argv: a command has a program");
  auto const walls = object.optional_boolean("walls_required");
  if (!walls) return std::unexpected(walls.error());
  order.walls_required = walls->value_or(false);
  return {};
}

}  // namespace

Result<ResidentOrder> parse_resident_order(std::string_view line) {
  auto const value = parse_json(line);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  auto const type = object->string("type");
  if (!type) return std::unexpected(type.error());
  ResidentOrder order;
  order.type = type_of(*type);
  if (order.type == ResidentOrder::Type::unknown) return order;
  auto id = object->string("id");
  if (!id) return std::unexpected(id.error());
  order.id = *std::move(id);
  if (order.type == ResidentOrder::Type::signal) {
    auto const number = object->integer("number");
    if (!number) return std::unexpected(number.error());
    if (*number < 1 || *number > 64)
      return fail(ErrorCode::invalid_argument, "/number: there is no signal {}", *number);
    order.number = static_cast<int>(*number);
    return order;
  }
  DROVER_TRY(read_start(*object, order));
  return order;
}

std::string hello_line(std::string_view version, std::vector<std::string> const& running) {
  auto writer = begin("hello");
  writer.string("version", version);
  std::string ids = "[";
  for (std::string const& id : running) {
    if (ids.size() > 1) ids += ',';
    append_json_string(ids, id);
  }
  writer.raw("running", ids + "]");
  return line_of(std::move(writer));
}

std::string heartbeat_line() {
  return line_of(begin("heartbeat"));
}

std::string output_line(std::string_view id, std::string_view stream, std::string_view text) {
  auto writer = begin("output");
  writer.string("id", id);
  writer.string("stream", stream);
  writer.string("text", text);
  return line_of(std::move(writer));
}

std::string ended_line(std::string_view id, int status) {
  auto writer = begin("ended");
  writer.string("id", id);
  writer.integer("status", status);
  return line_of(std::move(writer));
}

std::string failed_line(std::string_view id, std::string_view message) {
  auto writer = begin("failed");
  writer.string("id", id);
  writer.string("message", message);
  return line_of(std::move(writer));
}

}  // namespace drover::unit
