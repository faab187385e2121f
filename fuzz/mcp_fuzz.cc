// What units and MCP servers say to each other through the gateway: one message, a program's lines,
// an answer's events, and lists of tools. In two cuts the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "agent/mcp_tool.h"
#include "gateway/json_rpc.h"
#include "gateway/mcp_endpoint.h"
#include "gateway/mcp_http.h"
#include "gateway/mcp_process.h"
#include "unit/gateway_mcp.h"

namespace {

using drover::gateway::LineCutter;
using drover::gateway::McpAsk;
using drover::gateway::RpcReplyFinder;
namespace json = drover::json;

void check(bool holds) {
  if (!holds) std::abort();
}

void try_message(std::string_view text) {
  McpAsk const ask = drover::gateway::read_mcp_ask(text);
  // Whatever comes, a unit gets well-formed JSON-RPC back.
  if (ask.kind == McpAsk::Kind::answer) check(drover::gateway::parse_rpc(ask.answer).has_value());
  if (ask.kind == McpAsk::Kind::call) check(!ask.tool.empty() && !ask.id.is_null());
  auto const value = drover::parse_json(text);
  if (!value) return;
  std::string const canonical = drover::gateway::canonical_json(*value);
  auto const again = drover::parse_json(canonical);
  check(again && drover::gateway::canonical_json(*again) == canonical);
}

std::string lines_of(std::string_view first, std::string_view second) {
  LineCutter cutter{64};
  std::string out;
  for (std::string_view const part : {first, second}) {
    auto const lines = cutter.feed(part);
    if (!lines) return "too long";
    for (std::string const& line : *lines) {
      check(line.find('\n') == std::string::npos && line.size() <= 64);
      out += line + "\n";
    }
  }
  return out;
}

std::string reply_in(RpcReplyFinder::Form form, std::string_view first, std::string_view second) {
  RpcReplyFinder finder{form, 1};
  for (std::string_view const part : {first, second}) {
    auto const found = finder.feed(part);
    if (!found) return "error";
    if (*found) return json::serialize((*found)->result);
  }
  auto const found = finder.finish();
  if (!found) return "error";
  return *found ? json::serialize((*found)->result) : "nothing";
}

class NoPort final : public drover::agent::McpPort {
 public:
  drover::Result<json::value> ask(std::string_view, std::string_view,
                                  json::object const&) override {
    return json::value{};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  std::size_t const cut = size == 0 ? 0 : data[0] % (size + 1);
  try_message(text);
  // A line that is too long may come behind others in one piece, and before its end in two.
  if (lines_of(text, {}) != "too long")
    check(lines_of(text, {}) == lines_of(text.substr(0, cut), text.substr(cut)));
  for (auto const form : {RpcReplyFinder::Form::json, RpcReplyFinder::Form::events}) {
    auto const whole = reply_in(form, text, {});
    if (whole != "error") check(whole == reply_in(form, text.substr(0, cut), text.substr(cut)));
  }
  drover::net::HttpHead head;
  head.status = 200;
  (void)drover::unit::mcp_result_of(head, text);
  head.headers.add("content-type", "text/event-stream");
  (void)drover::unit::mcp_result_of(head, text);
  NoPort port;
  if (auto const value = drover::parse_json(text))
    for (auto const& tool : drover::agent::make_mcp_tools(port, "x", *value).tools)
      check(tool->spec().name.starts_with("mcp__x__"));
  return 0;
}
