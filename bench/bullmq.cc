#include "bullmq.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include <boost/json.hpp>

#include "base/text.h"
#include "os/files.h"

namespace drover::bench {

namespace {

constexpr Millis kAnswerWait{300'000};
// Also of an interrupt.
constexpr Millis kLook{100};

struct Pipe {
  os::Fd read;
  os::Fd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe for", "node");
  return Pipe{os::Fd{ends[0]}, os::Fd{ends[1]}};
}

std::string const kFolder = BENCH_PEERS;

}  // namespace

Result<std::unique_ptr<BullMq>> BullMq::start(Scratch const& scratch, std::string const& socket) {
  auto const node = find_program("node");
  if (!node || !os::exists(kFolder + "/node_modules/bullmq")) {
    note("left out: bullmq; to have it: ./dev bench dispatch, or npm ci --prefix " + kFolder);
    return nullptr;
  }
  auto requests = make_pipe();
  if (!requests) return std::unexpected(requests.error());
  auto answers = make_pipe();
  if (!answers) return std::unexpected(answers.error());
  os::ProcessSpec spec;
  spec.argv = {*node, kFolder + "/bullmq.js", socket};
  spec.env = plain_environment(scratch.folder());
  spec.in = requests->read.get();
  spec.out = answers->write.get();
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  std::unique_ptr<BullMq> peer{
      new BullMq{*std::move(process), std::move(requests->write), std::move(answers->read)}};
  answers->write.reset();
  auto const ready = peer->answer();
  if (!ready) return std::unexpected(ready.error());
  return peer;
}

Result<json::value> BullMq::answer() {
  auto const deadline = std::chrono::steady_clock::now() + kAnswerWait;
  for (auto end = read_.find('\n'); end == std::string::npos; end = read_.find('\n')) {
    DROVER_TRY(check_interrupt());
    pollfd waiting{.fd = out_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(kLook.count())) == 0) {
      if (std::chrono::steady_clock::now() < deadline) continue;
      return fail(ErrorCode::timeout, "bullmq: no answer in {} s", kAnswerWait.count() / 1000);
    }
    char bytes[65536];
    ssize_t const got = ::read(out_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(ErrorCode::upstream, "bullmq: node ended: {}", printable(read_, 300));
    read_.append(bytes, static_cast<std::size_t>(got));
  }
  std::string const line = read_.substr(0, read_.find('\n'));
  read_.erase(0, line.size() + 1);
  auto value = parse_json(line);
  if (!value) return std::unexpected(value.error());
  if (!value->as_object().contains("error")) return value;
  return fail(ErrorCode::upstream, "bullmq: {}", string_or(value->as_object(), "error", ""));
}

Result<json::value> BullMq::ask(json::object const& request) {
  DROVER_TRY(os::write_all(in_.get(), json::serialize(request) + "\n", "bullmq"));
  return answer();
}

Status BullMq::rest() {
  auto const done = ask({{"op", "rest"}});
  return done ? Status{} : std::unexpected(done.error());
}

Status BullMq::enqueue(int clients, int count) {
  auto const done = ask({{"op", "enqueue"}, {"clients", clients}, {"count", count}});
  return done ? Status{} : std::unexpected(done.error());
}

Status BullMq::claim_and_ack(int clients) {
  auto const done = ask({{"op", "drain"}, {"clients", clients}});
  return done ? Status{} : std::unexpected(done.error());
}

Status BullMq::cycle(int clients, int count) {
  auto const done = ask({{"op", "cycle"}, {"clients", clients}, {"count", count}});
  return done ? Status{} : std::unexpected(done.error());
}

Result<Samples> BullMq::pickups(int count, Millis pause) {
  auto const done = ask({{"op", "pickups"}, {"count", count}, {"pause_ms", pause.count()}});
  if (!done) return std::unexpected(done.error());
  Samples samples;
  for (json::value const& time : done->at("times").as_array())
    samples.add(time.to_number<double>());
  return samples;
}

}  // namespace drover::bench
