#include "sim/disk_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "base/check.h"
#include "sim/disk.h"

namespace drover::sim {

namespace {

Disk* mounted = nullptr;

// What SQLite holds of an open file; made and destroyed in the memory that it gives.
struct Handle {
  sqlite3_file base;
  std::shared_ptr<Disk::File> file;
  std::shared_ptr<Disk::Shared> shared;
  std::uint64_t life;
  int lock;
  unsigned read_locks;   // of the shared memory, a bit each
  unsigned owned_locks;  // likewise
};

Handle& handle_of(sqlite3_file* file) {
  return *reinterpret_cast<Handle*>(file);
}

// Null for the file of a process that is gone.
Handle* living(sqlite3_file* file) {
  Handle& handle = handle_of(file);
  return mounted != nullptr && handle.life == mounted->life() ? &handle : nullptr;
}

int set_lock(Handle& handle, int level) {
  Disk::File& file = *handle.file;
  if (handle.lock == SQLITE_LOCK_NONE && level > SQLITE_LOCK_NONE) ++file.sharers;
  if (handle.lock > SQLITE_LOCK_NONE && level == SQLITE_LOCK_NONE) --file.sharers;
  if (handle.lock < SQLITE_LOCK_RESERVED && level >= SQLITE_LOCK_RESERVED) ++file.locked;
  if (handle.lock >= SQLITE_LOCK_RESERVED && level < SQLITE_LOCK_RESERVED) --file.locked;
  handle.lock = level;
  return SQLITE_OK;
}

int file_close(sqlite3_file* file) {
  if (Handle* const handle = living(file)) set_lock(*handle, SQLITE_LOCK_NONE);
  handle_of(file).~Handle();
  return SQLITE_OK;
}

int file_read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  Handle const* const handle = living(file);
  if (handle == nullptr || mounted->dead()) return SQLITE_IOERR_READ;
  std::string const& content = handle->file->content;
  auto const at = static_cast<std::size_t>(offset);
  auto const wanted = static_cast<std::size_t>(size);
  std::size_t const there = at >= content.size() ? 0 : std::min(wanted, content.size() - at);
  if (there > 0) std::memcpy(to, content.data() + at, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int file_write(sqlite3_file* file, void const* from, int size, sqlite3_int64 offset) {
  Handle const* const handle = living(file);
  if (handle == nullptr) return SQLITE_IOERR_WRITE;
  return mounted->write(*handle->file, from, static_cast<std::size_t>(size),
                        static_cast<std::uint64_t>(offset));
}

int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
  Handle const* const handle = living(file);
  if (handle == nullptr) return SQLITE_IOERR_TRUNCATE;
  return mounted->truncate(*handle->file, static_cast<std::uint64_t>(size));
}

int file_sync(sqlite3_file* file, int) {
  Handle const* const handle = living(file);
  return handle == nullptr ? SQLITE_IOERR_FSYNC : mounted->sync(*handle->file);
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(handle_of(file).file->content.size());
  return SQLITE_OK;
}

int file_lock(sqlite3_file* file, int level) {
  Handle* const handle = living(file);
  if (handle == nullptr) return SQLITE_IOERR_LOCK;
  if (handle->lock >= level) return SQLITE_OK;
  bool const mine = handle->lock >= SQLITE_LOCK_RESERVED;
  if (handle->file->locked > (mine ? 1 : 0)) return SQLITE_BUSY;
  if (level == SQLITE_LOCK_EXCLUSIVE &&
      handle->file->sharers > (handle->lock > SQLITE_LOCK_NONE ? 1 : 0))
    return SQLITE_BUSY;
  return set_lock(*handle, level);
}

int file_unlock(sqlite3_file* file, int level) {
  Handle* const handle = living(file);
  if (handle != nullptr && handle->lock > level) set_lock(*handle, level);
  return SQLITE_OK;
}

int file_check_lock(sqlite3_file* file, int* reserved) {
  *reserved = handle_of(file).file->locked > 0 ? 1 : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}

int file_sector(sqlite3_file*) {
  return 4096;
}

int file_traits(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int shared_map(sqlite3_file* file, int number, int size, int extend, void volatile** region) {
  *region = nullptr;
  Handle* const handle = living(file);
  if (handle == nullptr) return SQLITE_IOERR_SHMMAP;
  if (handle->shared == nullptr) handle->shared = handle->file->shared;
  auto& regions = handle->shared->regions;
  auto const wanted = static_cast<std::size_t>(number);
  if (wanted >= regions.size() && extend == 0) return SQLITE_OK;
  while (regions.size() <= wanted)
    regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
  *region = regions[wanted].get();
  return SQLITE_OK;
}

bool is_free(Handle const& handle, unsigned slot, bool exclusive) {
  unsigned const bit = 1U << slot;
  Disk::Shared const& shared = *handle.shared;
  if (shared.owned[slot] && (handle.owned_locks & bit) == 0) return false;
  int const mine = (handle.read_locks & bit) != 0 ? 1 : 0;
  return !exclusive || shared.readers[slot] <= mine;
}

void take(Handle& handle, unsigned slot, bool exclusive) {
  unsigned const bit = 1U << slot;
  if (exclusive) {
    handle.shared->owned[slot] = true;
    handle.owned_locks |= bit;
  } else if ((handle.read_locks & bit) == 0) {
    ++handle.shared->readers[slot];
    handle.read_locks |= bit;
  }
}

void give_back(Handle& handle, unsigned slot) {
  unsigned const bit = 1U << slot;
  if ((handle.owned_locks & bit) != 0) handle.shared->owned[slot] = false;
  if ((handle.read_locks & bit) != 0) --handle.shared->readers[slot];
  handle.owned_locks &= ~bit;
  handle.read_locks &= ~bit;
}

int shared_lock(sqlite3_file* file, int first, int count, int flags) {
  Handle* const handle = living(file);
  if (handle == nullptr || handle->shared == nullptr) return SQLITE_IOERR_SHMLOCK;
  auto const from = static_cast<unsigned>(first);
  auto const to = from + static_cast<unsigned>(count);
  bool const exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (unsigned slot = from; slot < to; ++slot)
      give_back(*handle, slot);
    return SQLITE_OK;
  }
  for (unsigned slot = from; slot < to; ++slot)
    if (!is_free(*handle, slot, exclusive)) return SQLITE_BUSY;
  for (unsigned slot = from; slot < to; ++slot)
    take(*handle, slot, exclusive);
  return SQLITE_OK;
}

void shared_barrier(sqlite3_file*) {}

int shared_unmap(sqlite3_file* file, int remove) {
  Handle& handle = handle_of(file);
  if (handle.shared == nullptr) return SQLITE_OK;
  for (unsigned slot = 0; slot < handle.shared->readers.size(); ++slot)
    give_back(handle, slot);
  if (remove != 0) handle.shared->regions.clear();
  handle.shared = nullptr;
  return SQLITE_OK;
}

sqlite3_io_methods make_methods() {
  sqlite3_io_methods methods{};
  methods.iVersion = 2;
  methods.xClose = file_close;
  methods.xRead = file_read;
  methods.xWrite = file_write;
  methods.xTruncate = file_truncate;
  methods.xSync = file_sync;
  methods.xFileSize = file_size;
  methods.xLock = file_lock;
  methods.xUnlock = file_unlock;
  methods.xCheckReservedLock = file_check_lock;
  methods.xFileControl = file_control;
  methods.xSectorSize = file_sector;
  methods.xDeviceCharacteristics = file_traits;
  methods.xShmMap = shared_map;
  methods.xShmLock = shared_lock;
  methods.xShmBarrier = shared_barrier;
  methods.xShmUnmap = shared_unmap;
  return methods;
}

int vfs_open(sqlite3_vfs*, char const* name, sqlite3_file* file, int flags, int* out_flags) {
  static sqlite3_io_methods const methods = make_methods();
  file->pMethods = nullptr;
  if (mounted == nullptr || mounted->dead()) return SQLITE_CANTOPEN;
  auto content = name == nullptr ? std::make_shared<Disk::File>() : mounted->open(name);
  new (file) Handle{{&methods}, std::move(content), nullptr, mounted->life(), 0, 0, 0};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs*, char const* name, int) {
  return mounted == nullptr ? SQLITE_IOERR_DELETE : mounted->remove(name);
}

int vfs_access(sqlite3_vfs*, char const* name, int, int* there) {
  *there = mounted != nullptr && mounted->exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int vfs_full_name(sqlite3_vfs*, char const* name, int size, char* full) {
  sqlite3_snprintf(size, full, "%s", name);
  return SQLITE_OK;
}

// SQLite draws the salts of its logs from what it finds here: a seed has to find the same again.
int vfs_randomness(sqlite3_vfs*, int size, char* to) {
  for (int i = 0; i < size; ++i)
    to[i] = static_cast<char>(i * 37 + 11);
  return size;
}

int vfs_sleep(sqlite3_vfs*, int micros) {
  return micros;
}

int vfs_time(sqlite3_vfs*, double* days) {
  *days = 2'460'000.5;
  return SQLITE_OK;
}

int vfs_last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

void install() {
  static sqlite3_vfs vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(Handle);
  vfs.mxPathname = 256;
  vfs.zName = kVfs;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_name;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  vfs.xGetLastError = vfs_last_error;
  DROVER_CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

}  // namespace

void mount(Disk& disk) {
  static bool const installed = [] {
    install();
    return true;
  }();
  DROVER_CHECK(installed && mounted == nullptr);
  mounted = &disk;
  sqlite3_randomness(0, nullptr);  // seeded anew from the file system
}

void unmount() {
  mounted = nullptr;
}

}  // namespace drover::sim
