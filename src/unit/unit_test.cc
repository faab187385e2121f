// The real drover-unit against a small server over a real unix socket.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

#include <boost/json.hpp>

#include "agent/testing.h"
#include "base/json.h"
#include "base/text.h"
#include "model/scripted.h"
#include "os/fd.h"

extern char** environ;

namespace drover::unit {
namespace {

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

using agent::testing::TempFolder;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

// The unit API with a script behind it. One thread a connection; all state under one mutex.
class TestServer {
 public:
  TestServer(std::string socket_path, std::string_view script, std::string description)
      : path_(std::move(socket_path)),
        description_(std::move(description)),
        script_(*model::ScriptedModel::parse(script)) {
    start();
  }
  ~TestServer() { stop(); }
  TestServer(TestServer const&) = delete;
  TestServer& operator=(TestServer const&) = delete;

  void start() {
    ::unlink(path_.c_str());
    stopping_ = false;
    listener_ = os::Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_.get(), 64), 0);
    threads_.emplace_back([this] { accept_loop(); });
  }
  void stop() {
    {
      std::lock_guard const lock{mutex_};
      stopping_ = true;
      changed_.notify_all();
      for (int const fd : connections_)
        ::shutdown(fd, SHUT_RDWR);
      ::shutdown(listener_.get(), SHUT_RDWR);
    }
    std::vector<std::thread> threads;
    while (true) {
      {
        std::lock_guard const lock{mutex_};
        threads.swap(threads_);
      }
      if (threads.empty()) break;
      for (auto& thread : threads)
        thread.join();
      threads.clear();
    }
    listener_.reset();
  }

  void send(std::string item) {
    std::lock_guard const lock{mutex_};
    inbox_.push_back(std::move(item));
    changed_.notify_all();
  }
  void fence() {
    std::lock_guard const lock{mutex_};
    fenced_ = true;
    changed_.notify_all();
  }
  // Waits for the nth event of a type (from 1) and gives its place; fails the test when it does not
  // come.
  json::object await(std::string_view type, std::size_t nth = 1, Millis within = Millis{10'000}) {
    std::unique_lock lock{mutex_};
    auto const find = [&]() -> json::object const* {
      std::size_t seen = 0;
      for (auto const& event : events_)
        if (event.at("type").as_string() == json::string_view{type} && ++seen == nth) return &event;
      return nullptr;
    };
    if (!changed_.wait_for(lock, within, [&] { return find() != nullptr; })) {
      ADD_FAILURE() << "no event " << type << " number " << nth;
      return {};
    }
    return *find();
  }
  std::vector<json::object> events() {
    std::lock_guard const lock{mutex_};
    return events_;
  }
  std::size_t event_requests() {
    std::lock_guard const lock{mutex_};
    return event_requests_;
  }
  std::vector<std::string> requests() {
    std::lock_guard const lock{mutex_};
    return requests_;
  }
  std::string authorization() {
    std::lock_guard const lock{mutex_};
    return authorization_;
  }

 private:
  void accept_loop() {
    for (;;) {
      int const fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::lock_guard const lock{mutex_};
      if (stopping_) {
        ::close(fd);
        return;
      }
      connections_.push_back(fd);
      threads_.emplace_back([this, fd] {
        serve(fd);
        std::lock_guard const inner{mutex_};
        std::erase(connections_, fd);
        ::close(fd);
      });
    }
  }

  struct Request {
    std::string method;
    std::string target;
    std::string head;
    std::string body;
  };
  static bool read_more(int fd, std::string& buffer) {
    char bytes[65536];
    ssize_t const got = ::recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  static bool read_request(int fd, std::string& buffer, Request& out) {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
      if (!read_more(fd, buffer)) return false;
    out.head = buffer.substr(0, end + 4);
    auto const parts = split(std::string_view{out.head}.substr(0, out.head.find('\r')), ' ');
    out.method = parts[0];
    out.target = parts[1];
    std::size_t length = 0;
    if (auto const at = out.head.find("Content-Length: "); at != std::string::npos)
      length = static_cast<std::size_t>(std::atoll(out.head.c_str() + at + 16));
    while (buffer.size() < end + 4 + length)
      if (!read_more(fd, buffer)) return false;
    out.body = buffer.substr(end + 4, length);
    buffer.erase(0, end + 4 + length);
    return true;
  }
  static bool write(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t const sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  static bool reply(int fd, int status, std::string_view body) {
    return write(fd, fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n{}", status,
                                 status == 204 ? 0 : body.size(), body));
  }

  void serve(int fd) {
    std::string buffer;
    Request request;
    while (read_request(fd, buffer, request)) {
      {
        std::lock_guard const lock{mutex_};
        auto const at = request.head.find("Authorization: ");
        if (at != std::string::npos)
          authorization_ = request.head.substr(at + 15, request.head.find('\r', at) - at - 15);
      }
      if (!answer(fd, request)) return;
    }
  }
  bool answer(int fd, Request const& request) {
    if (request.target == "/v1/unit") return reply(fd, 200, description_);
    if (request.target.starts_with("/v1/inbox")) return answer_inbox(fd);
    if (request.target.starts_with("/v1/events")) return answer_events(fd, request.body);
    if (request.target == "/v1/messages") return answer_messages(fd, request.body);
    return reply(fd, 404, "{}");
  }
  bool answer_inbox(int fd) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, 30s, [&] { return stopping_ || fenced_ || !inbox_.empty(); });
    if (stopping_) return false;
    if (fenced_) return reply(fd, 409, "{}");
    if (inbox_.empty()) return reply(fd, 204, "");
    std::string const item = inbox_.front();
    inbox_.pop_front();
    lock.unlock();
    if (reply(fd, 200, item)) return true;
    // Whoever asked is gone: the next one gets it.
    lock.lock();
    inbox_.push_front(item);
    changed_.notify_all();
    return false;
  }
  bool answer_events(int fd, std::string const& body) {
    std::size_t count = 0;
    {
      std::lock_guard const lock{mutex_};
      if (fenced_) return reply(fd, 409, "{}");
      ++event_requests_;
      for (std::string_view const line : split(body, '\n')) {
        if (line.empty()) continue;
        events_.push_back(json::parse(line).as_object());
        ++count;
      }
      changed_.notify_all();
    }
    return reply(fd, 200, fmt::format(R"({{"accepted":{}}})", count));
  }
  bool answer_messages(int fd, std::string const& body) {
    model::Plan plan;
    {
      std::lock_guard const lock{mutex_};
      requests_.push_back(body);
      plan = script_.answer(body, "s", attempts_);
    }
    std::string const end = "0\r\n\r\n";
    for (auto const& step : plan) {
      switch (step.kind) {
        case model::PlanStep::Kind::wait:
          std::this_thread::sleep_for(step.wait);
          break;
        case model::PlanStep::Kind::head: {
          std::string head =
              fmt::format("HTTP/1.1 {} X\r\nTransfer-Encoding: chunked\r\n", step.status);
          for (auto const& [name, value] : step.headers)
            head += fmt::format("{}: {}\r\n", name, value);
          if (!write(fd, head + "\r\n")) return false;
          break;
        }
        case model::PlanStep::Kind::bytes:
          if (!write(fd, fmt::format("{:x}\r\n{}\r\n", step.bytes.size(), step.bytes)))
            return false;
          break;
        case model::PlanStep::Kind::cut:
          return false;
        case model::PlanStep::Kind::hang: {
          char byte = 0;
          static_cast<void>(::recv(fd, &byte, 1, 0));  // until the client goes
          return false;
        }
      }
    }
    return write(fd, end);
  }

  std::string path_;
  std::string description_;
  model::ScriptedModel script_;
  model::ScriptedAttempts attempts_;
  os::Fd listener_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
  std::vector<int> connections_;
  std::deque<std::string> inbox_;
  std::vector<json::object> events_;
  std::vector<std::string> requests_;
  std::string authorization_;
  std::size_t event_requests_ = 0;
  bool fenced_ = false;
  bool stopping_ = false;
};

class UnitTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::string description(int idle_s = 30) {
    return fmt::format(
        R"({{"unit":"u","session":"ses-1","runner":"native","cwd":"{0}","session_dir":"{0}/.claude",)"
        R"("system":"Be brief.","model":"scripted:x","tools":["Read","Write","Edit","Bash","Glob","Grep"],)"
        R"("idle_s":{1},"max_output_tokens":1000,"workspaces":[]}})",
        folder_.path(), idle_s);
  }
  std::string socket_path() { return folder_ / "unit.sock"; }
  void serve(std::string_view script, int idle_s = 30) {
    server_ = std::make_unique<TestServer>(socket_path(), script, description(idle_s));
  }
  void start_unit() {
    std::string const binary = *os::executable_folder() + "/drover-unit";
    std::string const log = folder_ / "unit.log";
    std::string socket = "DROVER_UNIT_SOCKET=" + socket_path();
    std::string token = "DROVER_AGENT_IDENTITY_TOKEN=secret-token";
    std::string path = "PATH=/usr/bin:/bin";
    char* environment[] = {socket.data(), token.data(), path.data(), nullptr};
    std::string argument = binary;
    char* arguments[] = {argument.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                       0644);
    ASSERT_EQ(::posix_spawn(&pid_, binary.c_str(), &actions, nullptr, arguments, environment), 0);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  static std::string message(std::string_view turn, std::string_view prompt) {
    return fmt::format(
        R"({{"type":"message","turn_id":"{0}","run":"{0}","epoch":1,"prompt":"{1}","nonce":"n","limits":{{"max_turns":500}}}})",
        turn, prompt);
  }
  // The exit status, or -1 when it does not come.
  int wait_exit(Millis within = Millis{10'000}) {
    auto const until = steady_clock::now() + within;
    int status = 0;
    while (steady_clock::now() < until) {
      pid_t const got = ::wait4(pid_, &status, WNOHANG, &usage_);
      if (got == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      std::this_thread::sleep_for(1ms);
    }
    return -1;
  }
  std::string types() {
    std::string out;
    for (auto const& event : server_->events())
      out += (out.empty() ? "" : " ") + std::string{event.at("type").as_string()};
    return out;
  }

  TempFolder folder_;
  std::unique_ptr<TestServer> server_;
  pid_t pid_ = -1;
  rusage usage_{};
};

TEST_F(UnitTest, ServesATurnAndStops) {
  serve(
      R"({"turns":[{"thinking":"hm","text":["I ","look."],"tool_calls":[{"name":"Bash","input":{"command":"echo hi; env"}}]},
    {"expect":{"tool_results":[{"contains":"hi","lacks":"secret-token"}],"system_contains":"Be brief.","last_user_text_contains":"go"},"text":"Done."}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  auto const done = server_->await("done");
  EXPECT_EQ(done.at("ok"), true) << json::serialize(done);
  EXPECT_EQ(done.at("reply"), "Done.");
  EXPECT_EQ(done.at("sessionId"), "ses-1");
  EXPECT_EQ(done.at("turns"), 2);
  EXPECT_EQ(done.at("turn_id"), "run-1");
  // Deltas are joined as time has it; their text and everything else is fixed.
  std::string shape;
  std::string text;
  for (auto const& event : server_->events()) {
    std::string const type{event.at("type").as_string()};
    if (!shape.ends_with(type)) shape += (shape.empty() ? "" : " ") + type;
    if (type == "message-delta") text += event.at("text").as_string();
    if (type == "tool-result") EXPECT_EQ(event.at("ok"), true);
  }
  EXPECT_EQ(shape,
            "turn-accepted thinking-delta message-delta tool-call tool-result message-delta done");
  EXPECT_EQ(text, "I look.Done.");
  EXPECT_EQ(server_->events()[0].at("nonce"), "n");
  EXPECT_EQ(server_->authorization(), "Bearer secret-token");
  server_->send(R"({"type":"stop"})");
  EXPECT_EQ(wait_exit(), 0);
}

TEST_F(UnitTest, RetriesFaultsOverARealSocket) {
  serve(R"({"turns":[{"text":["a","b"],"faults":[{"kind":"status","status":429,"retry_after_ms":5},
    {"kind":"status","status":529,"retry_after_ms":5},{"kind":"cut","after_events":3}]}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  auto const done = server_->await("done", 1, Millis{30'000});
  EXPECT_EQ(done.at("reply"), "ab");
  EXPECT_EQ(server_->requests().size(), 4U);
  server_->await("retry", 3);
}

TEST_F(UnitTest, AnInterruptActsAtOnceInToolsStreamsAndBackoff) {
  serve(R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"sleep 30"}}]},
    {"text":["partial"],"faults":[{"kind":"hang","after_events":3,"times":9}]},
    {"faults":[{"kind":"status","status":429,"retry_after_s":60,"times":9}]}]})");
  start_unit();
  struct Case {
    std::string_view turn;
    std::string_view wait_for;
  };
  std::size_t count = 0;
  for (Case const& one :
       {Case{"run-1", "tool-call"}, Case{"run-2", "message-delta"}, Case{"run-3", "retry"}}) {
    server_->send(message(one.turn, "go"));
    server_->await(one.wait_for);
    auto const sent = steady_clock::now();
    server_->send(R"({"type":"interrupt"})");
    auto const done = server_->await("done", ++count);
    auto const took = std::chrono::duration_cast<Millis>(steady_clock::now() - sent);
    EXPECT_EQ(done.at("reason"), "interrupted") << one.turn;
    EXPECT_LT(took, Millis{250}) << one.turn;
    RecordProperty(std::string{one.turn} + "_interrupt_ms", std::to_string(took.count()));
  }
}

TEST_F(UnitTest, AKilledUnitsSuccessorContinuesTheTurn) {
  serve(
      R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"echo $$ > pid; echo x >> count; sleep 30"}}]},
    {"expect":{"tool_results":[{"is_error":true,"contains":"outcome is unknown"}]},"text":"recovered"},
    {"expect":{"last_user_text_contains":"next"},"text":"remembered"}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("tool-call");
  while (os::read_file(folder_ / "count").value_or("") != "x\n")
    std::this_thread::sleep_for(1ms);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  // In a sandbox the command dies with its pid namespace.
  pid_t const command = std::atoi(os::read_file(folder_ / "pid")->c_str());
  ASSERT_GT(command, 1);
  ::kill(-command, SIGKILL);
  server_->send(message("run-1", "go"));
  start_unit();
  EXPECT_EQ(server_->await("done").at("reply"), "recovered");
  EXPECT_EQ(*os::read_file(folder_ / "count"), "x\n");
  server_->send(message("run-2", "next"));
  EXPECT_EQ(server_->await("done", 2).at("reply"), "remembered");
}

TEST_F(UnitTest, ExitsWhenIdle) {
  serve(R"({"turns":[{"text":"a"}]})", 1);
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("done");
  auto const done_at = steady_clock::now();
  EXPECT_EQ(wait_exit(), 0);
  EXPECT_GT(steady_clock::now() - done_at, 800ms);
}

TEST_F(UnitTest, ExitsWithStatus0WhenSuperseded) {
  serve(R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"sleep 30"}}]}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("tool-call");
  server_->fence();
  EXPECT_EQ(wait_exit(), 0);
  EXPECT_EQ(types().find("done"), std::string::npos) << "a fenced unit says nothing more";
}

TEST_F(UnitTest, ASignalEndsTheTurnProperly) {
  serve(R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"sleep 30"}}]}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("tool-call");
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(server_->await("done").at("reason"), "interrupted");
  EXPECT_EQ(wait_exit(), 0);
}

TEST_F(UnitTest, SurvivesAServerThatComesBack) {
  serve(
      R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"sleep 1; echo ok"}}]},{"text":"still here"}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("tool-call");
  server_->stop();
  std::this_thread::sleep_for(300ms);
  server_->start();
  EXPECT_EQ(server_->await("done").at("reply"), "still here");
}

TEST_F(UnitTest, GivesUpWhenTheServerStaysAway) {
  serve(R"({"turns":[{"text":"a"}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("done");
  server_->stop();
  auto const gone = steady_clock::now();
  EXPECT_EQ(wait_exit(Millis{20'000}), 1);
  EXPECT_GT(steady_clock::now() - gone, 8s);
}

TEST_F(UnitTest, ASessionThatCannotBeLoadedEndsTheTurnWithItsError) {
  serve(R"({"turns":[{"text":"a"}]})");
  std::ofstream{folder_ / ".claude"} << "a file where a folder should be";
  server_->send(message("run-1", "go"));
  start_unit();
  auto const done = server_->await("done");
  EXPECT_EQ(done.at("reason"), "session_error");
  EXPECT_EQ(types(), "turn-accepted error done");
}

TEST_F(UnitTest, ChildrenCannotReadTheTokenFromTheUnit) {
  serve(
      R"({"turns":[{"tool_calls":[{"name":"Bash","input":{"command":"stat -c %U /proc/$PPID/mem; grep -c TracerPid /proc/$PPID/status"}}]},{"text":"x"}]})");
  server_->send(message("run-1", "go"));
  start_unit();
  server_->await("done");
  // Non-dumpable: the kernel gives the files of /proc/<pid> to root whoever the process runs as.
  struct stat info{};
  ASSERT_EQ(::stat(("/proc/" + std::to_string(pid_) + "/environ").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U);
}

TEST_F(UnitTest, ManyToolTurnsStayCheapAndSmall) {
  serve(
      R"({"turns":[{"repeat":400,"text":"t{{iteration}}","tool_calls":[{"name":"Read","input":{"file_path":"f"}}]},{"text":"end"}]})");
  std::ofstream{folder_ / "f"} << "some content\n";
  server_->send(message("run-1", "go"));
  start_unit();
  auto const done = server_->await("done", 1, Millis{60'000});
  EXPECT_EQ(done.at("turns"), 401);
  // Not ru_maxrss: a spawned child starts with the peak of its parent.
  std::string const status = *os::read_file(fmt::format("/proc/{}/status", pid_));
  long const rss_kb = std::atol(status.c_str() + status.find("VmHWM:") + 6);
  server_->send(R"({"type":"stop"})");
  EXPECT_EQ(wait_exit(), 0);
  auto const micros = (usage_.ru_utime.tv_sec + usage_.ru_stime.tv_sec) * 1'000'000 +
                      usage_.ru_utime.tv_usec + usage_.ru_stime.tv_usec;
  std::printf("cpu per tool turn: %ld us, rss max: %ld KB, event requests: %zu\n", micros / 401,
              rss_kb, server_->event_requests());
  if (kInstrumented) return;  // a sanitizer keeps books of its own
  EXPECT_LT(rss_kb, 12 * 1024);
  // Loose here, because test machines differ; the benchmark holds the real goal.
  EXPECT_LT(micros / 401, 5000);
}

}  // namespace
}  // namespace drover::unit
