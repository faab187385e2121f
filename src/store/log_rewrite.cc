#include "store/log_rewrite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/check.h"

namespace drover::store {

namespace {

// As large as a page may be, which is what SQLite asks of its file systems at most.
constexpr std::size_t kChunk = std::size_t{64} << 10U;

struct Filename {
  explicit Filename(std::string const& path)
      : text(sqlite3_create_filename(path.c_str(), "", path.c_str(), 0, nullptr)) {}
  ~Filename() { sqlite3_free_filename(text); }
  Filename(Filename const&) = delete;
  Filename& operator=(Filename const&) = delete;
  sqlite3_filename text;
};

// SQLite's own file, in memory of the size that its file system asks for.
class File {
 public:
  explicit File(sqlite3_vfs& vfs)
      : memory_(static_cast<std::size_t>(vfs.szOsFile), std::byte{0}), vfs_(&vfs) {}
  ~File() {
    if (file()->pMethods != nullptr) file()->pMethods->xClose(file());
  }
  File(File const&) = delete;
  File& operator=(File const&) = delete;

  int open(char const* name) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL;
    return vfs_->xOpen(vfs_, name, file(), kFlags, nullptr);
  }
  int rewrite() {
    sqlite3_int64 size = 0;
    if (int const code = file()->pMethods->xFileSize(file(), &size); code != SQLITE_OK) return code;
    std::vector<char> bytes(kChunk);
    for (sqlite3_int64 at = 0; at < size;) {
      int const count = static_cast<int>(std::min<sqlite3_int64>(kChunk, size - at));
      int code = file()->pMethods->xRead(file(), bytes.data(), count, at);
      if (code == SQLITE_OK) code = file()->pMethods->xWrite(file(), bytes.data(), count, at);
      if (code != SQLITE_OK) return code;
      at += count;
    }
    return file()->pMethods->xSync(file(), SQLITE_SYNC_FULL);
  }

 private:
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
  std::vector<std::byte> memory_;
  sqlite3_vfs* vfs_;
};

}  // namespace

Status rewrite_log(std::string const& path, std::string const& vfs) {
  sqlite3_vfs* const found = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  DROVER_CHECK(found != nullptr);
  Filename const name{path};
  int there = 0;
  int code = found->xAccess(found, name.text, SQLITE_ACCESS_EXISTS, &there);
  if (code == SQLITE_OK && there == 0) return {};
  File file{*found};
  if (code == SQLITE_OK) code = file.open(name.text);
  if (code == SQLITE_OK) code = file.rewrite();
  if (code == SQLITE_OK) return {};
  return fail_next(code == SQLITE_FULL ? ErrorCode::no_space : ErrorCode::internal,
                   fmt::format("the log {} of the store, which was not closed, could not be made "
                               "durable: {}",
                               path, sqlite3_errstr(code)),
                   "check the disk, then start again");
}

}  // namespace drover::store
