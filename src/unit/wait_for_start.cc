#include "unit/wait_for_start.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::unit {

namespace {

constexpr std::size_t kBytesMax = std::size_t{4} << 20U;

Result<std::string> read_to_end(int fd, std::string const& path) {
  std::string text;
  char piece[4096];
  for (;;) {
    auto const count = ::read(fd, piece, sizeof piece);
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read", path);
    text.append(piece, static_cast<std::size_t>(count));
    if (text.size() > kBytesMax)
      return fail(ErrorCode::too_large, "{} has more than {} bytes", path, kBytesMax);
  }
}

}  // namespace

Status wait_for_start(std::string const& fifo) {
  os::Fd const in{::open(fifo.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!in.valid()) return fail_errno("open", fifo);
  auto const text = read_to_end(in.get(), fifo);
  if (!text) return std::unexpected(text.error());
  if (text->empty() || text->back() != '\0')
    return fail(ErrorCode::data_corrupt, "{} ended in the middle of a text", fifo);
  auto const lines = split(std::string_view{*text}.substr(0, text->size() - 1), '\0');
  ::clearenv();
  for (std::size_t i = 1; i < lines.size(); ++i) {
    auto const equals = lines[i].find('=');
    if (equals == std::string_view::npos)
      return fail(ErrorCode::data_corrupt, "{} has a line that is no variable", fifo);
    ::setenv(std::string{lines[i].substr(0, equals)}.c_str(),
             std::string{lines[i].substr(equals + 1)}.c_str(), 1);
  }
  // What is mounted there now is not what the process began in.
  std::string const folder{lines.front()};
  if (::chdir(folder.c_str()) != 0) return fail_errno("enter", folder);
  return {};
}

}  // namespace drover::unit
