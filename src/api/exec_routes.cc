#include "api/exec_routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"

namespace drover::api {

namespace {

constexpr std::size_t kOutputBytesMax = std::size_t{1} << 20U;  // of each stream
constexpr std::size_t kArgumentsMax = 1000;

struct Wanted {
  std::vector<std::string> argv;
  std::string instance;  // empty: any
};

Result<Wanted> read(net::HttpRequest const& request) {
  auto const value = parse_json(request.body);
  if (!value) return std::unexpected(value.error());
  auto const body = JsonObject::of(*value);
  if (!body) return std::unexpected(body.error());
  for (auto const& member : body->raw())
    if (member.key() != "argv" && member.key() != "instance")
      return fail(ErrorCode::invalid_argument, "/{}: is not known", printable(member.key(), 80));
  Wanted wanted;
  auto const instance = body->optional_string("instance");
  if (!instance) return std::unexpected(instance.error());
  wanted.instance = instance->value_or("");
  auto const* const argv = body->find("argv");
  auto const* const words = argv == nullptr ? nullptr : argv->if_array();
  if (words == nullptr || words->empty() || words->size() > kArgumentsMax)
    return fail(ErrorCode::invalid_argument, "/argv: expected 1 to {} texts", kArgumentsMax);
  for (json::value const& word : *words) {
    auto const* const text = word.if_string();
    if (text == nullptr || text->find('\0') != json::string::npos)
      return fail(ErrorCode::invalid_argument, "/argv: expected texts without a zero byte");
    wanted.argv.emplace_back(*text);
  }
  return wanted;
}

// What was said, up to the bound.
struct Heard {
  std::string text;
  bool cut = false;

  void add(std::string const& more) {
    auto const room = kOutputBytesMax - text.size();
    if (more.size() > room) cut = true;
    text += more.substr(0, room);
  }
};

}  // namespace

RouteTable<ExecRoutes> ExecRoutes::table() {
  using Self = ExecRoutes;
  static constexpr std::array<RouteEntry<Self>, 1> kTable = {{
      {{"POST", "/api/v1/agents/{agent}/exec", "execInAgent"}, Access::token, &Self::exec},
  }};
  return kTable;
}

Task<Status> ExecRoutes::exec(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto wanted = read(call.request);
  if (!wanted) co_return std::unexpected(wanted.error());
  std::string const agent = call.path.at("agent");
  auto const instances = residents_.connected(agent);
  if (instances.empty())
    co_return fail_next(
        ErrorCode::unavailable,
        fmt::format("no instance of the agent {} runs and answers", printable(agent, 80)),
        fmt::format("see: drover agents status {}", printable(agent, 80)));
  std::string instance = wanted->instance.empty() ? instances.front() : wanted->instance;
  if (std::ranges::find(instances, instance) == instances.end())
    co_return fail(ErrorCode::not_found, "/instance: {} is none of {}'s that run: {}",
                   printable(instance, 80), printable(agent, 80), fmt::join(instances, ", "));
  Heard out;
  Heard err;
  fleet::ResidentBackend::Command command;
  command.argv = std::move(wanted->argv);
  command.output = [&](bool error_stream, std::string const& text) {
    (error_stream ? err : out).add(text);
  };
  std::string name = instance;
  auto const status = co_await residents_.run_command(std::move(name), std::move(command));
  if (!status) co_return std::unexpected(status.error());
  json::object body{{"instance", json::string{instance}},
                    {"status", *status},
                    {"stdout", json::string{to_utf8(out.text)}},
                    {"stderr", json::string{to_utf8(err.text)}},
                    {"cut", out.cut || err.cut}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

}  // namespace drover::api
