#include "harness/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "harness/processes.h"
#include "os/files.h"

namespace drover::harness {

namespace {

template <class Value>
Value must(Result<Value> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

struct Pipe {
  os::Fd read;
  os::Fd write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  return {os::Fd{ends[0]}, os::Fd{ends[1]}};
}

// A file, not a pipe: the program may leave it unread without anybody waiting.
os::Fd file_with(std::string const& text) {
  os::Fd file{::memfd_create("stdin", MFD_CLOEXEC)};
  if (!file.valid() || !os::write_all(file.get(), text, "stdin"))
    throw std::runtime_error("cannot prepare the input of a program");
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

os::Process start(ProgramOptions const& options, os::Fd& out, os::Fd& err) {
  os::Fd const in = file_with(options.input);
  Pipe out_pipe = make_pipe();
  Pipe err_pipe = make_pipe();
  os::ProcessSpec spec;
  spec.argv = options.arguments;
  spec.env = options.environment;
  spec.cwd = options.folder;
  spec.in = in.get();
  spec.out = out_pipe.write.get();
  spec.err = err_pipe.write.get();
  os::Process process = must(os::Process::spawn(spec));
  out = std::move(out_pipe.read);
  err = std::move(err_pipe.read);
  return process;
}

}  // namespace

std::vector<json::object> Outcome::lines() const {
  std::vector<json::object> objects;
  for (std::string_view const line : split(out, '\n')) {
    if (line.empty()) continue;
    auto value = parse_json(line);
    if (!value || !value->is_object())
      throw std::runtime_error(fmt::format("not a JSON object: {}", line));
    objects.push_back(std::move(value->as_object()));
  }
  return objects;
}

std::string Outcome::text() const {
  return fmt::format("exit code {}\nstdout: {}\nstderr: {}", exit_code, out, err);
}

Program::Program(ProgramOptions const& options) : process_(start(options, out_, err_)) {}

void Program::signal(int number) {
  (void)process_.signal(number);
}

bool Program::ended() {
  auto const exit = process_.wait(Millis{0});
  return exit && exit->has_value();
}

bool Program::read_some(Millis wait) {
  if (!out_.valid() && !err_.valid()) return false;
  std::array<pollfd, 2> waits{pollfd{out_.valid() ? out_.get() : -1, POLLIN, 0},
                              pollfd{err_.valid() ? err_.get() : -1, POLLIN, 0}};
  if (::poll(waits.data(), waits.size(), static_cast<int>(wait.count())) <= 0) return false;
  auto const take = [](os::Fd& fd, short ready, std::string& into) {
    if (ready == 0) return;
    std::array<char, 65536> buffer;
    ssize_t const got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got <= 0) return fd.reset();
    into.append(buffer.data(), static_cast<std::size_t>(got));
  };
  take(out_, waits[0].revents, outcome_.out);
  take(err_, waits[1].revents, outcome_.err);
  return true;
}

bool Program::prints(std::string_view text, Millis deadline) {
  Millis const end = uptime() + deadline;
  auto const seen = [&] { return outcome_.out.contains(text) || outcome_.err.contains(text); };
  while (!seen())
    if (!read_some(std::max(Millis{0}, end - uptime()))) return seen();
  return true;
}

Outcome Program::finish(Millis deadline) {
  Millis const end = uptime() + deadline;
  while (read_some(std::max(Millis{0}, end - uptime()))) {
  }
  auto const exit = process_.wait(std::max(Millis{0}, end - uptime()));
  if (!exit || !*exit) {
    signal(SIGKILL);
    outcome_.err += fmt::format("\n[killed: it still ran after {} ms]", deadline.count());
    (void)process_.wait(Millis{5'000});
    return std::move(outcome_);
  }
  outcome_.exit_code = (*exit)->signal != 0 ? 128 + (*exit)->signal : (*exit)->code;
  return std::move(outcome_);
}

Outcome run_program(ProgramOptions const& options, Millis deadline) {
  Program program{options};
  return program.finish(deadline);
}

}  // namespace drover::harness
