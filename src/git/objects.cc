#include "git/objects.h"

#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "base/check.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::git {

namespace {

Result<std::string> deflate(std::string_view header, std::string_view content) {
  z_stream stream{};
  if (deflateInit(&stream, Z_BEST_SPEED) != Z_OK)
    return fail(ErrorCode::internal, "zlib could not start");
  std::string out(deflateBound(&stream, static_cast<uLong>(header.size() + content.size())) + 64,
                  '\0');
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  auto const feed = [&](std::string_view bytes, int flush) {
    // zlib only reads from next_in.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // NOLINT
    stream.avail_in = static_cast<uInt>(bytes.size());
    return ::deflate(&stream, flush);
  };
  int status = feed(header, Z_NO_FLUSH);
  if (status == Z_OK) status = feed(content, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) return fail(ErrorCode::internal, "zlib failed with {}", status);
  return out;
}

// Syncs side by side: the file system joins them in one journal commit, and on a busy machine each
// wait costs a slice of whoever computes there, so that waits in a row add up.
Status sync_together(std::vector<int> const& fds, std::string_view what) {
  constexpr std::size_t kThreadsMax = 8;
  std::atomic<std::size_t> next{0};
  std::atomic<int> failed{0};
  auto const work = [&] {
    for (std::size_t i = next++; i < fds.size(); i = next++) {
      if (::fsync(fds[i]) != 0) failed = errno;
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(fds.size(), kThreadsMax); ++i)
      helpers.emplace_back(work);
    work();
  }
  if (failed != 0) return std::unexpected(system_error(failed, "sync", what));
  return {};
}

}  // namespace

Result<Oid> hash_object(git_object_t type, std::string_view content) {
  git_oid oid{};
  int const status = git_odb_hash(&oid, content.data(), content.size(), type);
  if (status < 0) return fail_git(status, "hash", "an object");
  return from_git(oid);
}

Result<std::string> read_object(git_odb* odb, Oid const& oid, std::size_t bytes_max) {
  git_oid const wanted = to_git(oid);
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  if (int const status = git_odb_read_header(&size, &type, odb, &wanted); status < 0)
    return fail_git(status, "read the object", oid.hex());
  if (size > bytes_max)
    return fail(ErrorCode::too_large, "the object {} has {} bytes; the limit is {}", oid.hex(),
                size, bytes_max);
  git_odb_object* raw = nullptr;
  if (int const status = git_odb_read(&raw, odb, &wanted); status < 0)
    return fail_git(status, "read the object", oid.hex());
  OdbObjectHandle const object{raw};
  return std::string{static_cast<char const*>(git_odb_object_data(object.get())),
                     git_odb_object_size(object.get())};
}

ObjectBatch::ObjectBatch(git_odb* odb, std::string objects_folder)
    : odb_(odb), folder_(std::move(objects_folder)) {}

ObjectBatch::~ObjectBatch() {
  for (auto const& pending : pending_)
    ::unlink(pending.temporary.c_str());
}

Result<Oid> ObjectBatch::put(git_object_t type, std::string_view content) {
  auto oid = hash_object(type, content);
  if (!oid) return oid;
  if (known_.contains(*oid)) return oid;
  git_oid const wanted = to_git(*oid);
  // Without a refresh: a pack that appeared since then costs a duplicate, not an error.
  if (git_odb_exists_ext(odb_, &wanted, GIT_ODB_LOOKUP_NO_REFRESH) == 1) {
    known_.insert(*oid);
    return oid;
  }
  std::string header = fmt::format("{} {}", git_object_type2string(type), content.size());
  header += '\0';
  auto const packed = deflate(header, content);
  if (!packed) return std::unexpected(packed.error());
  std::string temporary = folder_ + "/tmp_obj_XXXXXX";
  os::Fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("create an object in", folder_);
  pending_.push_back({*oid, temporary, std::move(fd)});
  int const file = pending_.back().fd.get();
  if (auto written = os::write_all(file, *packed, temporary); !written)
    return std::unexpected(std::move(written).error());
  if (::fchmod(file, 0444) != 0) return fail_errno("set the mode of", temporary);
  ::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);  // a hint; fsync below is what counts
  known_.insert(*oid);
  // A large batch is synced as a whole and needs no open files.
  if (pending_.size() > kSyncedApartMax) pending_.back().fd.reset();
  return oid;
}

// Content before name: a crash never leaves a named object without its content.
Status ObjectBatch::sync_contents() {
  if (pending_.size() > kSyncedApartMax) return sync_all();
  std::vector<int> fds;
  for (auto const& pending : pending_)
    fds.push_back(pending.fd.get());
  return sync_together(fds, folder_);
}

Status ObjectBatch::sync_all() const {
  auto const fd = os::open_folder(folder_);
  if (!fd) return std::unexpected(fd.error());
  if (::syncfs(fd->get()) != 0) return fail_errno("sync the file system of", folder_);
  return {};
}

Status ObjectBatch::name_all(std::set<std::string>& touched) {
  while (!pending_.empty()) {
    Pending const& pending = pending_.back();
    std::string const hex = pending.oid.hex();
    std::string const fan_out = folder_ + "/" + hex.substr(0, 2);
    if (::mkdir(fan_out.c_str(), 0777) == 0)
      touched.insert(folder_);
    else if (errno != EEXIST)
      return fail_errno("create the folder", fan_out);
    std::string const path = fan_out + "/" + hex.substr(2);
    if (::rename(pending.temporary.c_str(), path.c_str()) != 0)
      return fail_errno("write the object", path);
    touched.insert(fan_out);
    pending_.pop_back();
  }
  return {};
}

Status ObjectBatch::flush() {
  bool const many = pending_.size() > kSyncedApartMax;
  DROVER_TRY(sync_contents());
  std::set<std::string> touched;
  DROVER_TRY(name_all(touched));
  if (many) return sync_all();
  std::vector<os::Fd> folders;
  std::vector<int> fds;
  for (auto const& path : touched) {
    auto folder = os::open_folder(path);
    if (!folder) return std::unexpected(std::move(folder).error());
    fds.push_back(folder->get());
    folders.push_back(std::move(*folder));
  }
  return sync_together(fds, folder_);
}

}  // namespace drover::git
