#include "event_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/event_stream.h"
#include "base/log.h"
#include "broker/embedded_streams.h"
#include "broker/schema.h"
#include "figures.h"
#include "net/http_server.h"
#include "os/fd.h"
#include "store/migrations.h"

namespace drover::bench {

namespace {

namespace asio = boost::asio;

// With the server's own members, 150 bytes as in what other servers were measured with.
constexpr std::string_view kText = "The quick brown fox jumps over the lazy dog, again.";

struct Stack {
  Stack(store::Database database, std::string const& path)
      : writer(std::move(database), io.get_executor()),
        readers(path, pool),
        streams(writer, readers, clock, io.get_executor()) {}

  SystemClock clock;
  asio::io_context io{1};
  os::BlockingPool pool{2};
  store::Writer writer;
  store::Readers readers;
  broker::EmbeddedStreams streams;
};

int number_of(net::HttpRequest const& request, std::string_view key) {
  auto const found = request.query.find(key);
  int number = 0;
  if (found != request.query.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

Task<void> append_events(Stack& stack, broker::StreamName name, int count, Micros pace) {
  asio::steady_timer timer{stack.io};
  auto due = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    if (pace > Micros{0}) {
      due += pace;
      timer.expires_at(due);
      co_await timer.async_wait(asio::use_awaitable);
    }
    broker::EventDraft draft;
    draft.type = "message-delta";
    draft.json = fmt::format(R"({{"text":"{}","t":{}}})", kText, monotonic_ns());
    std::vector<broker::EventDraft> const drafts{std::move(draft)};
    auto job = [&stack, &name, &drafts](store::Transaction& transaction) {
      return stack.streams.append(transaction, name, drafts);
    };
    auto const appended = co_await stack.writer.run(std::move(job));
    if (!appended) note(appended.error().text());
  }
}

Task<void> answer(Stack& stack, net::HttpRequest request, net::HttpReply& reply) {
  auto const stream = request.query.find("stream");
  std::string const text = stream == request.query.end() ? "" : stream->second;
  auto name = broker::StreamName::parse(text);
  if (!name) {
    net::Headers headers;
    co_await reply.send(400, std::move(headers), net::error_body(name.error()));
    co_return;
  }
  if (request.method == "GET") {
    co_await api::serve_events(stack.streams, *name, 0, api::Follow::yes, reply);
    co_return;
  }
  int const count = number_of(request, "count");
  Micros const pace{number_of(request, "pace_us")};
  for (int writers = number_of(request, "writers"); writers > 0; --writers)
    asio::co_spawn(stack.io, append_events(stack, *name, count, pace), asio::detached);
  net::Headers headers;
  co_await reply.send(202, std::move(headers), "");
}

// In the child: says its port on `report_fd` and serves until it is killed.
Status serve(std::string const& path, int report_fd) {
  auto database = store::Database::open(path, store::OpenMode::writer);
  if (!database) return std::unexpected(database.error());
  DROVER_TRY(store::migrate(*database, broker::migrations()));
  Stack stack{*std::move(database), path};
  auto const handler = [&stack](net::HttpRequest request, net::HttpReply& reply) {
    return answer(stack, std::move(request), reply);
  };
  auto server = net::HttpServer::listen_tcp(stack.io, "127.0.0.1", 0, {}, handler);
  if (!server) return std::unexpected(server.error());
  std::uint16_t const port = (*server)->port();
  if (::write(report_fd, &port, sizeof port) != sizeof port) return fail_errno("tell", "the port");
  ::close(report_fd);
  auto const work = asio::make_work_guard(stack.io);
  stack.io.run();
  return {};
}

[[noreturn]] void run_child(std::string const& path, int report_fd, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::signal(SIGINT, SIG_IGN);  // of the terminal: the parent ends us
  ::signal(SIGTERM, SIG_DFL);
  log::set_level(log::Level::warn);
  auto const served = serve(path, report_fd);
  if (!served) note(served.error().text());
  ::_exit(1);
}

}  // namespace

Result<EventServer> EventServer::start(Scratch const& scratch) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe for", "the event server");
  os::Fd const reading{ends[0]};
  os::Fd writing{ends[1]};
  pid_t const parent = ::getpid();
  pid_t const pid = ::fork();
  if (pid < 0) return fail_errno("fork", "the event server");
  if (pid == 0) run_child(scratch.path("events.db"), writing.get(), parent);
  EventServer server{pid, 0};
  writing.reset();
  if (::read(reading.get(), &server.port_, sizeof server.port_) != sizeof server.port_)
    return fail(ErrorCode::unavailable, "the event server did not start");
  return server;
}

EventServer::EventServer(EventServer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), port_(other.port_) {}

EventServer::~EventServer() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string EventServer::events_path(std::string const& stream) {
  return "/events?stream=" + stream;
}

Status EventServer::append(std::string const& stream, Load const& load) {
  net::BlockingHttp http{&interrupted()};
  net::ClientRequest request;
  request.method = "POST";
  request.url = fmt::format("http://127.0.0.1:{}/append?stream={}&count={}&writers={}&pace_us={}",
                            port_, stream, load.events, load.writers, load.pace.count());
  auto const response = http.request(request);
  if (!response) return std::unexpected(response.error());
  if (response->status != 202)
    return fail(ErrorCode::upstream, "POST /append: {}", response->status);
  return {};
}

}  // namespace drover::bench
