#include "gateway/mcp_broker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "gateway/mcp_http.h"
#include "gateway/mcp_process.h"
#include "gateway/stream_filter.h"

namespace drover::gateway {

namespace {

using std::chrono::steady_clock;

constexpr std::string_view kVersion = "2025-06-18";
constexpr std::size_t kVersionBytesMax = 32;
constexpr std::size_t kPagesMax = 32;
constexpr std::size_t kToolsMax = 1'000;
constexpr std::size_t kToolNameBytesMax = 128;
constexpr Millis kWaitFirst{1'000};
constexpr Millis kWaitMax{60'000};

json::object hello() {
  return {{"protocolVersion", kVersion},
          {"capabilities", json::object{}},
          {"clientInfo", json::object{{"name", "drover"}, {"version", DROVER_VERSION}}}};
}

std::unexpected<Error> refused_by(std::string_view server, RpcError const& error) {
  return fail(ErrorCode::upstream, "the MCP server {} answered: {} ({})", server,
              printable(error.message, 300), error.code);
}

// Adds those of one page that may be called; the cursor to the next.
std::string take_page(json::object const& page, McpServer const& server, json::array& tools) {
  auto const* const listed = page.if_contains("tools");
  if (listed != nullptr && listed->is_array())
    for (json::value const& tool : listed->get_array()) {
      if (!tool.is_object()) continue;
      auto const name = string_or(tool.get_object(), "name", "");
      bool const fits = !name.empty() && name.size() <= kToolNameBytesMax;
      if (!fits)
        log::warn("mcp-tool-left-out", {{"server", server.name}, {"name", printable(name, 80)}});
      if (fits && server.allows(name)) tools.push_back(tool);
    }
  return std::string{string_or(page, "nextCursor", "")};
}

}  // namespace

struct McpBroker::Line {
  McpServer server;
  McpSecrets secrets;
  std::string session;
  std::shared_ptr<McpLink> link;   // shared with the requests under way; null: it is not open
  std::shared_ptr<McpLink> young;  // that has not said hello yet
  std::size_t calls = 0;
  steady_clock::time_point used_at = steady_clock::now();
  bool opening = false;
  bool retired = false;
  int failures = 0;  // in a row
  steady_clock::time_point open_after = steady_clock::time_point::min();
  std::string trouble;

  [[nodiscard]] steady_clock::time_point idle_until() const {
    return calls > 0 || opening ? steady_clock::time_point::max() : used_at + server.timeouts.idle;
  }
  void failed(std::string why) {
    Millis const wait = std::min(kWaitMax, kWaitFirst * (1 << std::min(failures, 6)));
    ++failures;
    open_after = steady_clock::now() + wait;
    trouble = std::move(why);
  }
};

McpBroker::McpBroker(boost::asio::io_context& io, os::BlockingPool& pool, UpstreamSetPtr set)
    : io_(io),
      pool_(pool),
      set_(std::move(set)),
      client_(io),
      changed_(io.get_executor()),
      closing_(io.get_executor(), "mcp-broker") {}

McpBroker::~McpBroker() = default;

McpServer const* McpBroker::find(std::string_view name) const {
  auto const found = set_->config.mcp.find(name);
  return found == set_->config.mcp.end() ? nullptr : &found->second;
}

void McpBroker::replace(UpstreamSetPtr set) {
  set_ = std::move(set);
  std::erase_if(lines_, [this](auto const& item) {
    Line const& line = *item.second;
    auto const* const now = find(line.server.name);
    bool const same = now != nullptr && *now == line.server &&
                      set_->has_mcp_secrets(line.server.name, line.secrets);
    if (!same) retire(item.second);
    return !same;
  });
  changed_.notify();
}

void McpBroker::retire(LinePtr const& line) {
  line->retired = true;
  // Whoever opens it sees it closed, and closes it too.
  if (line->young) closing_.spawn(close_link(line->young), "close");
  if (line->link) closing_.spawn(close_link(std::move(line->link)), "close");
  line->link.reset();
}

Task<void> McpBroker::close_link(std::shared_ptr<McpLink> link) {
  co_await link->close();
}

// The longest idle one of this server makes room.
Status McpBroker::make_room(McpServer const& server) {
  std::size_t count = 0;
  auto oldest = lines_.end();
  for (auto at = lines_.begin(); at != lines_.end(); ++at) {
    if (at->first.first != server.name) continue;
    ++count;
    bool const idle = at->second->calls == 0 && !at->second->opening;
    if (idle && (oldest == lines_.end() || at->second->used_at < oldest->second->used_at))
      oldest = at;
  }
  if (count < server.sessions_max) return {};
  if (oldest == lines_.end())
    return fail_next(
        ErrorCode::rate_limited,
        fmt::format("the MCP server {} serves {} sessions already, its limit", server.name, count),
        "try again later, or raise sessions_at_once");
  retire(oldest->second);
  lines_.erase(oldest);
  return {};
}

Result<McpBroker::LinePtr> McpBroker::line_of(std::string const& server,
                                              std::string const& session) {
  if (stopping_) return fail(ErrorCode::unavailable, "the server is stopping");
  auto const* const config = find(server);
  if (config == nullptr)
    return fail_next(ErrorCode::not_found, fmt::format("there is no MCP server {}", server),
                     "see: drover gateway");
  Key key{server, session};
  auto const found = lines_.find(key);
  if (found != lines_.end()) return found->second;
  DROVER_TRY(make_room(*config));
  auto line = std::make_shared<Line>();
  line->server = *config;
  line->secrets = set_->mcp_secrets_of(server);
  line->session = session;
  lines_.emplace(std::move(key), line);
  return line;
}

Task<Result<std::shared_ptr<McpLink>>> McpBroker::link_of(LinePtr line) {
  while (line->opening) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  if (line->retired || stopping_)
    co_return fail(ErrorCode::unavailable, "the MCP server {} has been configured anew meanwhile",
                   line->server.name);
  if (line->link && !line->link->is_broken()) co_return line->link;
  if (line->link) {
    closing_.spawn(close_link(std::move(line->link)), "close");
    line->link.reset();
    // A session that an address has forgotten is no trouble of the server's.
    if (!line->server.over_http()) line->failed("it ended");
  }
  auto const now = steady_clock::now();
  if (now < line->open_after) {
    auto const left = std::chrono::ceil<std::chrono::seconds>(line->open_after - now).count();
    co_return fail(ErrorCode::unavailable,
                   "the MCP server {} is not there: {}; it is tried again in {} s",
                   line->server.name, line->trouble, left);
  }
  line->opening = true;
  struct Opening {
    McpBroker* broker;
    Line* line;
    ~Opening() {
      line->opening = false;
      broker->changed_.notify();
    }
  };
  Opening const opening{this, line.get()};
  auto opened = co_await open(line);
  if (!opened) {
    for (auto const& [name, secret] : line->secrets)
      opened.error().message = KeyFilter::clean(std::move(opened.error().message), secret);
    line->failed(opened.error().text());
    log::warn("mcp-not-opened", {{"server", line->server.name}, {"reason", line->trouble}});
    co_return std::unexpected(opened.error());
  }
  line->trouble.clear();
  if (line->retired || stopping_) {
    co_await close_link(*std::move(opened));
    co_return fail(ErrorCode::unavailable, "the MCP server {} has been configured anew meanwhile",
                   line->server.name);
  }
  line->link = *opened;
  co_return opened;
}

Task<Result<std::shared_ptr<McpLink>>> McpBroker::open(LinePtr line) {
  std::shared_ptr<McpLink> link;
  if (line->server.over_http()) {
    auto const key = line->secrets.find("");
    link = std::make_shared<McpHttp>(client_, line->server,
                                     key == line->secrets.end() ? Secret{} : key->second);
  } else {
    auto started =
        co_await McpProcess::start(io_, pool_, line->server, line->secrets, line->session);
    if (!started) co_return std::unexpected(started.error());
    link = *std::move(started);
  }
  line->young = link;
  struct Young {
    Line* line;
    ~Young() { line->young.reset(); }
  };
  Young const young{line.get()};
  McpRequest request{.method = "initialize",
                     .params = hello(),
                     .within = line->server.timeouts.start,
                     .cancel = {}};
  auto const answer = co_await link->request(std::move(request));
  Status agreed;
  std::string version;
  if (!answer) {
    agreed = std::unexpected(answer.error());
  } else if (answer->error) {
    agreed = refused_by(line->server.name, *answer->error);
  } else if (auto const* const result = answer->result.if_object()) {
    version = string_or(*result, "protocolVersion", "");
  }
  if (agreed && (version.empty() || version.size() > kVersionBytesMax))
    agreed = fail(ErrorCode::upstream, "the MCP server {} names no version of the protocol",
                  line->server.name);
  if (agreed) {
    link->speak(std::move(version));
    agreed = co_await link->notify("notifications/initialized");
  }
  if (agreed) co_return link;
  co_await link->close();
  co_return std::unexpected(agreed.error());
}

Task<Result<RpcMessage>> McpBroker::ask(LinePtr line, McpRequest request) {
  struct Using {
    McpBroker* broker;
    Line* line;
    ~Using() {
      --line->calls;
      line->used_at = steady_clock::now();
      broker->changed_.notify();
    }
  };
  ++line->calls;
  Using const using_it{this, line.get()};
  auto const link = co_await link_of(line);
  if (!link) co_return std::unexpected(link.error());
  auto answer = co_await (*link)->request(std::move(request));
  if (!answer) co_return std::unexpected(answer.error());
  line->failures = 0;
  clean_secrets(answer->result, line->secrets);
  if (answer->error)
    for (auto const& [name, secret] : line->secrets)
      answer->error->message = KeyFilter::clean(std::move(answer->error->message), secret);
  co_return answer;
}

Task<Result<json::array>> McpBroker::tools(std::string server, std::string session,
                                           McpCancelPtr cancel) {
  auto const line = line_of(server, session);
  if (!line) co_return std::unexpected(line.error());
  json::array tools;
  std::string cursor;
  for (std::size_t page = 0; page < kPagesMax; ++page) {
    json::object params;
    if (!cursor.empty()) params["cursor"] = json::string{cursor};
    McpRequest request{.method = "tools/list",
                       .params = std::move(params),
                       .within = (*line)->server.timeouts.start,
                       .cancel = cancel};
    auto const answer = co_await ask(*line, std::move(request));
    if (!answer) co_return std::unexpected(answer.error());
    if (answer->error) co_return refused_by(server, *answer->error);
    auto const* const listed = answer->result.if_object();
    if (listed == nullptr)
      co_return fail(ErrorCode::upstream, "the MCP server {} lists no tools", server);
    cursor = take_page(*listed, (*line)->server, tools);
    if (tools.size() > kToolsMax)
      co_return fail(ErrorCode::too_large, "the MCP server {} lists more than {} tools", server,
                     kToolsMax);
    if (cursor.empty()) co_return tools;
  }
  co_return fail(ErrorCode::too_large, "the MCP server {} lists more than {} pages of tools",
                 server, kPagesMax);
}

Task<Result<RpcMessage>> McpBroker::call(McpCall call) {
  auto const line = line_of(call.server, call.session);
  if (!line) co_return std::unexpected(line.error());
  if (!(*line)->server.allows(call.tool))
    co_return fail(ErrorCode::forbidden, "the tool {} of the MCP server {} is not let through",
                   printable(call.tool, 80), call.server);
  json::object params{{"name", json::string{call.tool}}, {"arguments", std::move(call.arguments)}};
  McpRequest request{.method = "tools/call",
                     .params = std::move(params),
                     .within = (*line)->server.timeouts.call,
                     .cancel = std::move(call.cancel)};
  co_return co_await ask(*line, std::move(request));
}

std::vector<McpState> McpBroker::states() const {
  std::vector<McpState> states;
  for (auto const& [name, server] : set_->config.mcp) {
    McpState state{.name = name, .lines = 0, .trouble = {}};
    for (auto const& [key, line] : lines_) {
      if (key.first != name) continue;
      if (line->link && !line->link->is_broken()) ++state.lines;
      if (!line->trouble.empty()) state.trouble = line->trouble;
    }
    states.push_back(std::move(state));
  }
  return states;
}

Task<void> McpBroker::watch_idle() {
  while (!stopping_) {
    auto const seen = changed_.version();
    auto const now = steady_clock::now();
    auto earliest = os::AsyncEvent::kForever;
    std::erase_if(lines_, [&](auto const& item) {
      auto const until = item.second->idle_until();
      if (until > now) earliest = std::min(earliest, until);
      if (until > now) return false;
      retire(item.second);
      return true;
    });
    co_await changed_.wait(seen, earliest);
  }
}

Task<void> McpBroker::stop() {
  stopping_ = true;
  for (auto const& [key, line] : lines_)
    retire(line);
  lines_.clear();
  changed_.notify();
  co_await closing_.join();
}

// As deep as the message, which is bounded.
void clean_secrets(json::value& value, McpSecrets const& secrets) {
  auto const cleaned = [&](std::string text) {
    for (auto const& [name, secret] : secrets)
      text = KeyFilter::clean(std::move(text), secret);
    return text;
  };
  if (value.is_string()) {
    value = json::string{cleaned(std::string{value.get_string()})};
  } else if (value.is_array()) {
    for (json::value& item : value.get_array())
      clean_secrets(item, secrets);
  } else if (value.is_object()) {
    json::object out;
    for (auto& member : value.get_object()) {
      clean_secrets(member.value(), secrets);
      out[cleaned(std::string{member.key()})] = std::move(member.value());
    }
    value = std::move(out);
  }
}

}  // namespace drover::gateway
