// `drover model serve`: a scripted model on loopback, for real clients under test.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "gateway/metered_reply.h"
#include "model/scripted.h"
#include "model/wire_format.h"
#include "net/http_server.h"
#include "os/files.h"
#include "server/loop_run.h"
#include "server/server.h"

namespace drover::server {

namespace {

constexpr std::size_t kScriptBytesMax = std::size_t{16} << 20U;
constexpr Millis kSilenceMax{600'000};

class ModelServer {
 public:
  explicit ModelServer(model::ScriptedModel script) : script_(std::move(script)) {}

  Task<void> handle(net::HttpRequest request, net::HttpReply& reply) {
    net::Headers headers{{"content-type", "application/json"}};
    if (request.method == "HEAD" || request.path == "/") {
      net::Headers none;
      co_await reply.send(200, std::move(none), "");
    } else if (request.method == "GET" && request.path == "/v1/models") {
      co_await reply.send(200, std::move(headers), script_.model_list());
    } else if (auto const format = model::format_of_path(request.path);
               request.method == "POST" && format) {
      gateway::MeteredReply metered{reply, *format};
      auto const* const session = request.header("x-claude-code-session-id");
      model::Plan plan = script_.answer(
          request.body, session == nullptr ? std::string_view{} : *session, attempts_, *format);
      co_await gateway::play_plan(std::move(plan), metered, kSilenceMax);
    } else {
      Error error{
          ErrorCode::not_found,
          "the scripted model serves POST /v1/messages, /v1/responses and /v1/chat/completions",
          {}};
      co_await reply.send(404, std::move(headers), net::error_body(error));
    }
  }

 private:
  model::ScriptedModel script_;
  model::ScriptedAttempts attempts_;
};

int report(Error const& error) {
  fmt::print(stderr, "drover: {}\n", error.text());
  return exit_code(error.code);
}

Task<void> stop_server(net::HttpServer* server) {
  co_await server->stop();
}

}  // namespace

int serve_model(ModelServeOptions const& options) {
  auto const text = os::read_file(options.script, kScriptBytesMax);
  if (!text) return report(text.error());
  auto script = model::ScriptedModel::parse(*text);
  if (!script) return report(script.error());
  boost::asio::io_context io{1};
  StopSignals signals{io};
  ModelServer model{*std::move(script)};
  auto const handler = [&model](net::HttpRequest request, net::HttpReply& reply) {
    return model.handle(std::move(request), reply);
  };
  auto server = net::HttpServer::listen_tcp(io, options.host, options.port, {}, handler);
  if (!server) return report(server.error());
  fmt::print("http://{}:{}\n", options.host, (*server)->port());
  std::fflush(stdout);
  run_until_signal(io, signals, [&server] { return stop_server(server->get()); });
  return 0;
}

}  // namespace drover::server
