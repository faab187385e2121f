#include "git/objects.h"

#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>

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
  ::sync_file_range(file, 0, 0,
                    SYNC_FILE_RANGE_WRITE);  // a hint; the sync of the batch is what counts
  known_.insert(*oid);
  // A large batch is synced as a whole and needs no open files.
  if (many()) pending_.back().fd.reset();
  return oid;
}

void ObjectBatch::collect(SyncSet& contents) {
  if (many()) {
    contents.add_file_system_of(folder_);
    return;
  }
  for (auto& pending : pending_)
    contents.add(std::move(pending.fd));
}

Status ObjectBatch::publish(SyncSet& names) {
  bool const together = many();
  if (together) names.add_file_system_of(folder_);
  while (!pending_.empty()) {
    Pending const& pending = pending_.back();
    std::string const hex = pending.oid.hex();
    std::string const fan_out = folder_ + "/" + hex.substr(0, 2);
    bool const made = ::mkdir(fan_out.c_str(), 0777) == 0;
    if (!made && errno != EEXIST) return fail_errno("create the folder", fan_out);
    std::string const path = fan_out + "/" + hex.substr(2);
    if (::rename(pending.temporary.c_str(), path.c_str()) != 0)
      return fail_errno("write the object", path);
    pending_.pop_back();
    if (together) continue;
    if (made) DROVER_TRY(names.add_folder(folder_));
    DROVER_TRY(names.add_folder(fan_out));
  }
  return {};
}

Status ObjectBatch::flush() {
  SyncSet contents;
  collect(contents);
  DROVER_TRY(contents.sync(folder_));
  SyncSet names;
  DROVER_TRY(publish(names));
  return names.sync(folder_);
}

}  // namespace drover::git
