#include "net/unix_address.h"

#include <fcntl.h>

#include <cstring>
#include <string_view>

#include "base/text.h"
#include "os/files.h"

namespace drover::net {

Result<UnixAddress> UnixAddress::of(std::string const& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return fail(ErrorCode::invalid_argument, "'{}' is no path for a unix socket", printable(path));
  }
  UnixAddress result;
  result.address_.sun_family = AF_UNIX;
  std::string name = path;
  if (name.size() >= sizeof result.address_.sun_path) {
    std::size_t const slash = path.rfind('/');
    std::string const folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    result.folder_ = os::Fd{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!result.folder_.valid()) return fail_errno("open", folder);
    name = fmt::format("/proc/self/fd/{}/{}", result.folder_.get(), path.substr(slash + 1));
  }
  if (name.size() >= sizeof result.address_.sun_path) {
    return fail(ErrorCode::invalid_argument, "the unix socket's name in '{}' is too long",
                printable(path));
  }
  std::memcpy(result.address_.sun_path, name.c_str(), name.size() + 1);
  return result;
}

}  // namespace drover::net
