#include "store/disk_reserve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "os/fd.h"

namespace drover::store {

namespace {

std::string in_mebibytes(std::uint64_t bytes) {
  return fmt::format("{} MiB", (bytes + (1U << 20U) - 1) >> 20U);
}

std::uint64_t allocated_bytes(struct stat const& info) {
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

}  // namespace

DiskReserve::DiskReserve(DiskReserveOptions options, boost::asio::any_io_executor loop,
                         os::BlockingPool& pool)
    : options_(std::move(options)),
      loop_(loop),
      pool_(&pool),
      held_(options_.bytes == 0),
      changed_(std::move(loop)) {}

Status DiskReserve::allocate() const {
  os::Fd const fd{::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd.valid()) return fail_errno("create the disk reserve", options_.path);
  auto const bytes = static_cast<off_t>(options_.bytes);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("look at the disk reserve", options_.path);
  if (info.st_size == bytes && allocated_bytes(info) >= options_.bytes) return {};
  struct statvfs disk{};
  if (::fstatvfs(fd.get(), &disk) != 0)
    return fail_errno("ask for the room on the disk of", options_.path);
  std::uint64_t const free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free + allocated_bytes(info) < options_.bytes + options_.bytes / 4)
    return fail(ErrorCode::no_space, "the disk of {} has {} free, too little for the reserve",
                options_.path, in_mebibytes(free));
  // Falls back to writing where the file system cannot allocate.
  if (int const error = ::posix_fallocate(fd.get(), 0, bytes); error != 0)
    return std::unexpected(system_error(error, "allocate the disk reserve", options_.path));
  if (::ftruncate(fd.get(), bytes) != 0) return fail_errno("size the disk reserve", options_.path);
  return {};
}

Status DiskReserve::hold() {
  if (options_.bytes == 0) return {};
  std::scoped_lock const lock{mutex_};
  if (held_) return {};
  auto const allocated = allocate();
  if (!allocated) {
    ::unlink(options_.path.c_str());  // half of it would only take room
    return allocated;
  }
  held_ = true;
  return {};
}

void DiskReserve::give_up() {
  if (options_.bytes == 0) return;
  {
    std::scoped_lock const lock{mutex_};
    if (!held_) return;
    held_ = false;
    if (::unlink(options_.path.c_str()) != 0 && errno != ENOENT)
      log::error("disk-reserve-stuck",
                 {{"reason", system_error(errno, "remove", options_.path).text()}});
  }
  log::warn("disk-full",
            {{"reserve", options_.path}, {"effect", "runs wait, new work is refused"}});
  boost::asio::post(loop_, [this] { changed_.notify(); });
}

Status DiskReserve::room() const {
  if (held_) return {};
  return fail_next(
      ErrorCode::no_space,
      fmt::format("the disk of the state folder is full, so drover takes no new work; runs under "
                  "way wait, and nothing that was accepted is lost"),
      fmt::format("free {} on the disk of {}; drover goes on by itself",
                  in_mebibytes(options_.bytes + options_.bytes / 4), options_.path));
}

Task<void> DiskReserve::watch() {
  while (!stopping_) {
    auto const seen = changed_.version();
    if (held_) {
      co_await changed_.wait(seen);
      continue;
    }
    auto const held = co_await pool_->run([this] { return hold(); });
    if (held) {
      log::info("disk-has-room", {{"reserve", options_.path}});
      changed_.notify();
      continue;
    }
    co_await changed_.wait(seen, std::chrono::steady_clock::now() + options_.look_every);
  }
}

void DiskReserve::stop() {
  stopping_ = true;
  changed_.notify();
}

Task<void> DiskReserve::wait_change(os::AsyncEvent::TimePoint deadline) {
  auto const seen = changed_.version();
  co_await changed_.wait(seen, deadline);
}

}  // namespace drover::store
