#include "worker/job_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "base/log.h"
#include "os/process.h"
#include "worker/wire.h"

namespace drover::worker {

namespace asio = boost::asio;

namespace {

using std::chrono::steady_clock;

// A process whose run is over ends its unit and exits. One that was stopped never does.
constexpr Millis kExitGrace{5'000};
constexpr Millis kReapWait{2'000};  // for the exit status of a process whose pidfd says it ended

// As a process's stdin: unlike a pipe it is written at once, of any size.
Result<os::Fd> memory_file(std::string_view text) {
  os::Fd file{::memfd_create("drover-job", MFD_CLOEXEC)};
  if (!file.valid()) return fail_errno("make", "a file in memory");
  while (!text.empty()) {
    ssize_t const written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write", "a file in memory");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno("rewind", "a file in memory");
  return file;
}

std::string describe(os::ExitStatus const& exit) {
  return exit.signal != 0 ? fmt::format("signal {}", exit.signal)
                          : fmt::format("status {}", exit.code);
}

}  // namespace

struct JobHost::Job {
  Job(JobHost& owner, SessionId of, broker::Claim held)
      : host(&owner), session(std::move(of)), claim(std::move(held)), ended(owner.loop_) {
    while (host->jobs_.contains(number))
      ++number;
    host->jobs_.emplace(number, this);
  }
  ~Job() {
    host->jobs_.erase(number);
    host->changed_.notify();
  }
  Job(Job const&) = delete;
  Job& operator=(Job const&) = delete;

  [[nodiscard]] std::string folder() const {
    return fmt::format("{}/workers/{}", host->options_.folder, job_name(number));
  }
  void signal(int number_of_signal) const {
    if (!process) return;
    if (auto const sent = os::send_signal(process->pidfd(), number_of_signal); !sent)
      log::warn("job-not-signalled", {{"reason", sent.error().text()}});
  }

  JobHost* host;
  int number = 1;
  SessionId session;
  broker::Claim claim;
  std::optional<os::Process> process;
  asio::posix::stream_descriptor ended;  // readable once the process has ended
};

std::string job_name(int number) {
  return fmt::format("job-{}", number);
}

std::string print(AssignedJob const& job) {
  json::object const object{{"session_folder", json::string{job.session_folder}},
                            {"parent", job.parent},
                            {"worker", json::string{job.assignment.claim.worker.str()}},
                            {"assignment", print(job.assignment)}};
  return json::serialize(object);
}

Result<AssignedJob> parse_assigned_job(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  auto worker = WorkerId::parse(string_or(object->raw(), "worker", ""));
  if (!worker) return std::unexpected(worker.error());
  auto folder = object->string("session_folder");
  if (!folder) return std::unexpected(folder.error());
  auto const parent = object->integer("parent");
  if (!parent) return std::unexpected(parent.error());
  auto const* const assigned = object->find("assignment");
  if (assigned == nullptr) return fail(ErrorCode::invalid_argument, "/assignment: it is missing");
  auto assignment = parse_assignment(*assigned, *worker);
  if (!assignment) return std::unexpected(assignment.error());
  return AssignedJob{.session_folder = *std::move(folder),
                     .parent = static_cast<pid_t>(*parent),
                     .assignment = *std::move(assignment)};
}

JobHost::JobHost(asio::any_io_executor loop, os::BlockingPool& pool, Control& control,
                 JobOptions options, Reap reap)
    : loop_(std::move(loop)),
      pool_(pool),
      control_(control),
      options_(std::move(options)),
      reap_(std::move(reap)),
      changed_(loop_) {}

JobHost::~JobHost() = default;

Status JobHost::start(Job& job, Assignment const& assignment) {
  AssignedJob const given{
      .session_folder = options_.session_folder, .parent = ::getpid(), .assignment = assignment};
  auto const input = memory_file(print(given));
  if (!input) return std::unexpected(input.error());
  os::ProcessSpec spec;
  spec.argv = options_.command;
  spec.argv.insert(spec.argv.end(), {"--name", job_name(job.number)});
  spec.env = options_.environment;
  spec.env.push_back("DROVER_STATE_DIR=" + options_.folder);
  spec.in = input->get();
  spec.out = STDOUT_FILENO;
  spec.err = STDERR_FILENO;
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  job.process.emplace(*std::move(process));
  int const watched = ::fcntl(job.process->pidfd(), F_DUPFD_CLOEXEC, 3);
  if (watched < 0) return fail_errno("watch", "a job's process");
  job.ended.assign(watched);
  return {};
}

Task<void> JobHost::run(Assignment assignment) {
  Job job{*this, assignment.session.id, assignment.claim};
  auto const started = start(job, assignment);
  if (!started) {
    log::error("job-not-started", {{"run", assignment.run.id}, {"reason", started.error().text()}});
    co_await clear_up(job);
    co_return;
  }
  log::info("job-started", {{"run", assignment.run.id}, {"pid", job.process->pid()}});
  if (draining_) job.signal(SIGTERM);
  bool const in_order = co_await wait_for_end(job);
  if (!in_order) co_await clear_up(job);
}

// Whether it ended in order: then what became of the run has been said.
Task<bool> JobHost::wait_for_end(Job& job) {
  co_await job.ended.async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::as_tuple(asio::use_awaitable));
  auto const exit = job.process->wait(kReapWait);
  bool const in_order = exit && *exit && (*exit)->ok();
  if (!in_order)
    log::error("job-died",
               {{"run", job.claim.entry.run},
                {"pid", job.process->pid()},
                {"by", exit && *exit ? describe(**exit) : std::string{"nobody knows"}}});
  co_return in_order;
}

Task<void> JobHost::clear_up(Job& job) {
  job.process.reset();
  auto const reaped =
      co_await pool_.run([reap = reap_, folder = job.folder()] { return reap(folder); });
  if (!reaped) log::error("job-not-cleared-up", {{"reason", reaped.error().text()}});
  auto const lost = co_await control_.lose(job.claim);
  // Its lease runs out by itself.
  if (!lost) log::warn("job-not-given-up", {{"reason", lost.error().text()}});
}

// Once: a second signal would end them at once.
void JobHost::drain() {
  if (std::exchange(draining_, true)) return;
  for (auto const& [number, job] : jobs_)
    job->signal(SIGTERM);
}

Task<void> JobHost::end_by(os::AsyncEvent::TimePoint deadline) {
  drain();
  while (!jobs_.empty() && steady_clock::now() < deadline) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen, deadline);
  }
  for (auto const& [number, job] : jobs_)
    job->signal(SIGKILL);
}

Task<void> JobHost::wait_for(SessionId session) {
  auto const has_it = [&session](auto const& item) { return item.second->session == session; };
  auto deadline = steady_clock::now() + kExitGrace;
  while (std::ranges::any_of(jobs_, has_it)) {
    if (steady_clock::now() >= deadline) {
      for (auto const& [number, job] : jobs_)
        if (job->session == session) job->signal(SIGKILL);
      deadline = os::AsyncEvent::kForever;
    }
    auto const seen = changed_.version();
    co_await changed_.wait(seen, deadline);
  }
}

}  // namespace drover::worker
