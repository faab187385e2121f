#include "runtime/engine_identity.h"

#include <fmt/format.h>

#include <mutex>
#include <span>

#include "base/digest.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::runtime {

namespace {

constexpr std::size_t kIdentityBytes = 16;
constexpr std::size_t kShown = 16;

}  // namespace

Result<std::string> engine_identity(std::string const& folder, Random& random) {
  // The backend and the fleet may both be the first to need it.
  static std::mutex one_at_a_time;
  std::scoped_lock const lock{one_at_a_time};
  std::string const path = folder + "/identity";
  if (!os::exists(path)) {
    DROVER_TRY(os::make_folders(folder, 0700));
    std::string bytes(kIdentityBytes, '\0');
    random.fill(std::as_writable_bytes(std::span{bytes}));
    DROVER_TRY(os::write_file_atomic(path, to_hex(bytes) + "\n", 0600));
  }
  auto const text = os::read_file(path, 256);
  if (!text) return std::unexpected(text.error());
  auto const place = os::real_path(folder);
  if (!place) return std::unexpected(place.error());
  return sha256_hex(fmt::format("{} {}", trim(*text), *place)).substr(0, kShown);
}

}  // namespace drover::runtime
