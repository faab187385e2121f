// Sessions of real programs, and of an address on loopback.
#include "gateway/mcp_broker.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>

#include "net/test_server.h"

namespace drover::gateway {
namespace {

// What it is told to do is the name of the tool.
constexpr std::string_view kProgram = R"py(
import json, os, sys
count = 0
def say(message):
    print(json.dumps(dict(message, jsonrpc="2.0")), flush=True)
print("a greeting that is no message", flush=True)
print("secret " + os.environ.get("TOKEN", "none"), file=sys.stderr, flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    method = ask["method"]
    if method == "initialize":
        say({"id": 99, "method": "sampling/createMessage", "params": {}})
        refusal = json.loads(sys.stdin.readline())
        ok = refusal["error"]["code"] == -32601
        say({"id": ask["id"], "result": {"protocolVersion": "2025-06-18" if ok else ""}})
    elif method == "tools/list":
        page = ask["params"].get("cursor")
        names = ["count", "env"] if page is None else ["who", "other"]
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        if page is None: result["nextCursor"] = "2"
        say({"id": ask["id"], "result": result})
    elif method == "tools/call":
        name = ask["params"]["name"]
        arguments = ask["params"]["arguments"]
        if name == "count": count += 1; text = str(count)
        elif name == "env": text = "it is " + os.environ.get(arguments["name"], "none")
        elif name == "who": text = f"{os.getuid()} {open('/proc/self/status').read()} {len([p for p in os.listdir('/proc') if p.isdigit()])}"
        elif name == "die": os._exit(1)
        elif name == "hang": continue
        elif name == "flood": print("x" * (5 << 20), flush=True); continue
        say({"id": ask["id"], "result": {"content": [{"type": "text", "text": text}]}})
)py";

class McpBrokerTest : public ::testing::Test {
 protected:
  McpBrokerTest() : pool_(1) {
    std::string name = "/tmp/drover-mcp-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::chmod(folder_.c_str(), 0755);
    std::ofstream{folder_ + "/server.py"} << kProgram;
    McpServer server;
    server.name = "x";
    server.command = {"python3", folder_ + "/server.py"};
    server.env = {{"TOKEN", "", {}}, {"PLAIN", "seen", {}}};
    server.tools = {{"count", "env", "who", "die", "hang", "flood"}};
    server.timeouts.call = Millis{20'000};
    auto set = std::make_shared<UpstreamSet>();
    set->mcp_secrets["x"].emplace("TOKEN", Secret{std::string{"sk-very-secret"}});
    set->config.mcp["x"] = std::move(server);
    set_ = set;
  }
  ~McpBrokerTest() override {
    if (broker_) run(broker_->stop());
    broker_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start() { broker_ = std::make_unique<McpBroker>(io_, pool_, set_); }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const& thrown, T result) {
      EXPECT_EQ(thrown, nullptr);
      value.emplace(std::move(result));
    });
    while (!value)
      io_.run_one();
    return *std::move(value);
  }
  void run(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const&) { done = true; });
    while (!done)
      io_.run_one();
  }
  Result<RpcMessage> call(std::string tool, std::string session = "ses-1",
                          json::object arguments = {}) {
    McpCall call{.server = "x",
                 .session = std::move(session),
                 .tool = std::move(tool),
                 .arguments = std::move(arguments),
                 .cancel = {}};
    return run(broker_->call(std::move(call)));
  }
  static std::string text_of(Result<RpcMessage> const& reply) {
    if (!reply) return "error: " + reply.error().text();
    if (reply->error) return "refused: " + reply->error->message;
    return std::string{reply->result.at("content").at(0).at("text").as_string()};
  }

  boost::asio::io_context io_;
  // What the pool has in hands is no work of the loop's.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io_.get_executor()};
  os::BlockingPool pool_;
  std::string folder_;
  std::shared_ptr<UpstreamSet> set_;
  std::unique_ptr<McpBroker> broker_;
};

TEST_F(McpBrokerTest, EachSessionHasAProgramOfItsOwn) {
  start();
  EXPECT_EQ(text_of(call("count", "ses-1")), "1");
  EXPECT_EQ(text_of(call("count", "ses-1")), "2");
  EXPECT_EQ(text_of(call("count", "ses-2")), "1") << "nothing of one session is in another";
  EXPECT_EQ(broker_->states().at(0).lines, 2U);
}

TEST_F(McpBrokerTest, OnlyToolsThatAreLetThroughAreListedAndCalled) {
  start();
  auto const tools = run(broker_->tools("x", "ses-1", nullptr));
  ASSERT_TRUE(tools) << tools.error().text();
  ASSERT_EQ(tools->size(), 3U) << json::serialize(*tools);
  EXPECT_EQ(tools->at(2).at("name").as_string(), "who");
  EXPECT_EQ(call("other").error().code, ErrorCode::forbidden);
  EXPECT_EQ(run(broker_->tools("y", "ses-1", nullptr)).error().code, ErrorCode::not_found);
}

TEST_F(McpBrokerTest, AProgramHasItsCredentialAndCannotSayIt) {
  start();
  EXPECT_EQ(text_of(call("env", "ses-1", {{"name", "PLAIN"}})), "it is seen");
  EXPECT_EQ(text_of(call("env", "ses-1", {{"name", "TOKEN"}})), "it is ***");
  EXPECT_EQ(text_of(call("env", "ses-1", {{"name", "HOSTNAME"}})), "it is none")
      << "the server's environment is not its";
}

TEST_F(McpBrokerTest, AProgramIsNobodyAndAlone) {
  start();
  auto const who = text_of(call("who"));
  if (::geteuid() == 0) EXPECT_FALSE(who.starts_with("0 ")) << who;
  EXPECT_TRUE(who.contains("CapEff:\t0000000000000000")) << who;
  EXPECT_TRUE(who.contains("NoNewPrivs:\t1")) << who;
  EXPECT_TRUE(who.ends_with(" 1")) << "it sees its own process only: " << who;
}

TEST_F(McpBrokerTest, AProgramThatEndsIsStartedAgainAfterAWait) {
  start();
  EXPECT_EQ(text_of(call("count")), "1");
  EXPECT_EQ(call("die").error().code, ErrorCode::unavailable);
  auto const soon = call("count");
  ASSERT_FALSE(soon);
  EXPECT_TRUE(soon.error().message.contains("tried again in 1 s")) << soon.error().message;
  Result<RpcMessage> later = call("count");
  while (!later) {
    boost::asio::steady_timer timer{io_, Millis{50}};
    bool over = false;
    timer.async_wait([&](boost::system::error_code) { over = true; });
    while (!over)
      io_.run_one();
    later = call("count");
  }
  EXPECT_EQ(text_of(later), "1") << "a new one";
}

TEST_F(McpBrokerTest, SilenceEndsACallAndMoreThanAMessageMayHoldTheProgram) {
  set_->config.mcp["x"].timeouts.call = Millis{300};
  start();
  EXPECT_EQ(call("hang").error().code, ErrorCode::timeout);
  EXPECT_EQ(text_of(call("count")), "1") << "the next call is answered";
  set_->config.mcp["x"].timeouts.call = Millis{20'000};
  EXPECT_EQ(call("flood", "ses-2").error().code, ErrorCode::unavailable);
}

TEST_F(McpBrokerTest, WhoeverNoLongerWaitsIsLetGo) {
  start();
  auto const cancel = std::make_shared<McpCancel>();
  McpCall hang{
      .server = "x", .session = "ses-1", .tool = "hang", .arguments = {}, .cancel = cancel};
  std::optional<Result<RpcMessage>> ended;
  boost::asio::co_spawn(
      io_, broker_->call(std::move(hang)),
      [&](std::exception_ptr const&, Result<RpcMessage> reply) { ended = std::move(reply); });
  while (!cancel->wake)
    io_.run_one();
  cancel->cancel();
  while (!ended)
    io_.run_one();
  EXPECT_EQ(ended->error().code, ErrorCode::cancelled);
}

TEST_F(McpBrokerTest, AProgramEndsWhenItIsIdleOrConfiguredAnew) {
  set_->config.mcp["x"].timeouts.idle = Millis{100};
  start();
  EXPECT_EQ(text_of(call("count")), "1");
  boost::asio::co_spawn(io_, broker_->watch_idle(), [](std::exception_ptr const&) {});
  while (broker_->states().at(0).lines > 0)
    io_.run_one();
  EXPECT_EQ(text_of(call("count")), "1") << "a new one";
  auto other = std::make_shared<UpstreamSet>(*set_);
  other->mcp_secrets["x"].insert_or_assign("TOKEN", Secret{std::string{"sk-another-secret"}});
  broker_->replace(other);
  EXPECT_EQ(broker_->states().at(0).lines, 0U);
  EXPECT_EQ(text_of(call("count")), "1") << "with the credential of now";
  run(broker_->stop());
}

TEST_F(McpBrokerTest, ThereAreOnlySoManyAtOnce) {
  set_->config.mcp["x"].sessions_max = 1;
  start();
  EXPECT_EQ(text_of(call("count", "ses-1")), "1");
  EXPECT_EQ(text_of(call("count", "ses-2")), "1") << "an idle one makes room";
  EXPECT_EQ(broker_->states().at(0).lines, 1U);
}

// An MCP server at an address, with sessions that it may forget.
class HttpMcp {
 public:
  HttpMcp()
      : server_([this](net::HttpRequest request, net::HttpReply& reply) {
          return handle(std::move(request), reply);
        }) {}
  [[nodiscard]] std::string url() const { return server_.url("/mcp"); }
  void forget() { forgotten_ = true; }

 private:
  struct Answer {
    int status = 200;
    net::Headers headers{{"content-type", "application/json"}};
    std::string body;
  };
  Answer answer_to(net::HttpRequest const& request) {
    Answer answer;
    auto const* const key = request.header("authorization");
    if (key == nullptr || *key != "Bearer sk-very-secret") answer.status = 401;
    auto const message = parse_rpc(request.body);
    bool const asks = message && message->kind == RpcMessage::Kind::request;
    if (answer.status == 200 && !asks) answer.status = 202;
    if (answer.status != 200) return answer;
    auto const* const session = request.header("mcp-session-id");
    if (message->method == "initialize") {
      answer.headers.add("mcp-session-id", "s" + std::to_string(++sessions_));
      answer.body = print_rpc_result(message->id, json::object{{"protocolVersion", "2025-06-18"}});
    } else if (session == nullptr || forgotten_.exchange(false)) {
      answer.status = 404;
    } else {
      json::array content;
      content.push_back(json::object{{"type", "text"}, {"text", *session + " sk-very-secret"}});
      answer.headers = {{"content-type", "text/event-stream"}};
      answer.body = ": hold on\n\nevent: message\ndata: " +
                    print_rpc_result(message->id, json::object{{"content", std::move(content)}}) +
                    "\n\n";
    }
    return answer;
  }
  Task<void> handle(net::HttpRequest request, net::HttpReply& reply) {
    Answer answer = answer_to(request);
    co_await reply.send(answer.status, std::move(answer.headers), std::move(answer.body));
  }

  std::atomic<int> sessions_ = 0;
  std::atomic<bool> forgotten_ = false;
  net::TestServer server_;
};

TEST_F(McpBrokerTest, AnAddressIsCalledWithItsKeyAndASession) {
  HttpMcp server;
  McpServer& config = set_->config.mcp["x"];
  config.command.clear();
  config.env.clear();
  config.url = server.url();
  set_->mcp_secrets["x"] = {{"", Secret{std::string{"sk-very-secret"}}}};
  start();
  EXPECT_EQ(text_of(call("count")), "s1 ***");
  EXPECT_EQ(text_of(call("count", "ses-2")), "s2 ***");
  server.forget();
  EXPECT_FALSE(call("count"));
  set_->mcp_secrets["x"] = {{"", Secret{std::string{"sk-wrong-one"}}}};
  EXPECT_TRUE(text_of(call("count", "ses-3")).contains("status 401"));
}

}  // namespace
}  // namespace drover::gateway
