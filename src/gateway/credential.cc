#include "gateway/credential.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"
#include "os/process.h"

extern char** environ;

namespace drover::gateway {

namespace {

constexpr std::size_t kKeyBytesMax = 16 * 1024;
constexpr Millis kCommandTime{30'000};

Result<Secret> checked(std::string text, std::string_view source) {
  Secret const whole{std::move(text)};
  std::string_view const key = trim(whole.reveal());
  if (key.empty())
    return fail_next(ErrorCode::invalid_argument, fmt::format("{} holds no key", source),
                     "put the key there, alone on its line");
  for (char const c : key)
    if (c <= ' ' || c >= 0x7f)
      return fail(ErrorCode::invalid_argument,
                  "what {} holds is no key: it has blanks or other characters than ASCII", source);
  return Secret{std::string{key}};
}

Result<Secret> from_file(std::string const& path, std::string_view source) {
  auto text = os::read_file(path, kKeyBytesMax);
  if (!text) return std::unexpected(text.error());
  return checked(*std::move(text), source);
}

// All that the program prints, until it closes its output or the time is over.
Result<std::string> read_output(int fd, std::chrono::steady_clock::time_point deadline) {
  std::string out;
  std::array<char, 4096> buffer{};
  for (;;) {
    auto const left =
        std::chrono::duration_cast<Millis>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return fail(ErrorCode::timeout, "it did not end within 30 s");
    pollfd waiting{fd, POLLIN, 0};
    int const ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) continue;
    ssize_t const size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("read", "its output");
    if (size == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(size));
    if (out.size() > kKeyBytesMax)
      return fail(ErrorCode::too_large, "it printed more than {} bytes", kKeyBytesMax);
  }
}

Result<Secret> from_command(std::vector<std::string> const& argv, std::string_view source) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("make", "a pipe");
  os::Fd const reading{ends[0]};
  os::Fd writing{ends[1]};
  os::ProcessSpec spec;
  spec.argv = argv;
  for (char** variable = environ; *variable != nullptr; ++variable)
    spec.env.emplace_back(*variable);
  spec.out = writing.get();
  auto program = os::Process::spawn(spec);
  if (!program) return std::unexpected(program.error());
  writing.reset();
  auto const deadline = std::chrono::steady_clock::now() + kCommandTime;
  auto text = read_output(reading.get(), deadline);
  if (!text) return fail(text.error().code, "the program of {}: {}", source, text.error().message);
  Secret output{*std::move(text)};
  auto const exit = program->wait(kCommandTime);
  if (!exit) return std::unexpected(exit.error());
  if (!*exit || !(*exit)->ok())
    return fail(ErrorCode::invalid_argument, "the program of {} failed with status {}", source,
                *exit ? (*exit)->code : -1);
  return checked(output.reveal(), source);
}

}  // namespace

Secret TakenVariables::take(std::string const& name) {
  if (char* const value = std::getenv(name.c_str()); value != nullptr) {
    taken_.insert_or_assign(name, Secret{std::string{value}});
    ::explicit_bzero(value, std::strlen(value));
    ::unsetenv(name.c_str());
  }
  return find(name);
}

Secret TakenVariables::find(std::string const& name) const {
  auto const found = taken_.find(name);
  return found == taken_.end() ? Secret{} : found->second;
}

Result<Secret> read_credential(KeySource const& source, TakenVariables const& variables) {
  switch (source.kind) {
    case KeySource::Kind::none:
      return Secret{};
    case KeySource::Kind::file:
      return from_file(source.name, "the file " + source.name);
    case KeySource::Kind::environment: {
      Secret const value = variables.find(source.name);
      if (value.empty())
        return fail_next(ErrorCode::invalid_argument,
                         fmt::format("the environment has no {}", source.name),
                         "set it where the server is started, and start it anew");
      return checked(value.reveal(), "the variable " + source.name);
    }
    case KeySource::Kind::command:
      return from_command(source.argv, fmt::format("'{}'", source.argv.front()));
    case KeySource::Kind::credential: {
      char const* const folder = std::getenv("CREDENTIALS_DIRECTORY");
      if (folder == nullptr)
        return fail_next(ErrorCode::invalid_argument,
                         fmt::format("the credential {} needs $CREDENTIALS_DIRECTORY", source.name),
                         "start the server as a systemd service with LoadCredential=");
      return from_file(fmt::format("{}/{}", folder, source.name), "the credential " + source.name);
    }
  }
  return Secret{};
}

}  // namespace drover::gateway
