#include "sim/disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

#include "sim/disk_vfs.h"

namespace drover::sim {

namespace {

constexpr std::size_t kSector = 512;
constexpr std::int64_t kReserve = 512 * 1024;

void put(std::string& content, std::uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  std::memcpy(content.data() + offset, bytes.data(), bytes.size());
}

void put(std::string& content, Disk::Write const& write) {
  if (write.truncates) {
    if (content.size() > write.offset) content.resize(write.offset);
  } else {
    put(content, write.offset, write.bytes);
  }
}

}  // namespace

Disk::Disk(Dice& dice, Image const& image) : dice_(&dice) {
  for (auto const& [name, content] : image) {
    auto file = std::make_shared<File>();
    file->content = content;
    file->durable = content;
    files_.emplace(name, std::move(file));
  }
  mount(*this);
}

Disk::~Disk() {
  unmount();
}

Disk::Image Disk::image() const {
  Image image;
  for (auto const& [name, file] : files_)
    image.emplace(name, file->content);
  return image;
}

void Disk::crash(Loss loss) {
  ++life_;
  for (auto const& [name, file] : files_) {
    if (loss == Loss::power) lose_power(*file);
    file->shared = std::make_shared<Shared>();
    file->sharers = 0;
    file->locked = 0;
  }
  dead_ = false;
}

void Disk::lose_power(File& file) {
  std::size_t const count = file.unsynced.size();
  for (std::size_t i = 0; i < count; ++i) {
    Write left = file.unsynced[i];
    std::size_t const sectors = sectors_left(left, i + 1 == count);
    if (sectors == 0) continue;
    if (!left.truncates) left.bytes.resize(std::min(left.bytes.size(), kSector * sectors));
    put(file.durable, left);
  }
  file.unsynced.clear();
  file.content = file.durable;
}

// Of that write, from its beginning; 0: nothing is there.
std::size_t Disk::sectors_left(Write const& write, bool last) {
  std::size_t const all = write.bytes.size() / kSector + 1;
  switch (fate_) {
    case Fate::lost:
      return 0;
    case Fate::torn:
      return last ? all / 2 : all;
    case Fate::kept:
      return all;
    case Fate::chance:
      break;
  }
  auto const fate = dice_->below(3);
  if (fate == 0) return 0;
  return fate == 1 && !write.truncates ? dice_->below(all) : all;
}

void Disk::fail_at(std::uint64_t nth, Failure failure) {
  if (failure == Failure::sync) {
    sync_failure_ = syncs_ + nth;
  } else {
    failures_[operations_ + nth] = failure;
  }
}

void Disk::set_full(bool full) {
  room_ = full ? std::optional<std::int64_t>{0} : std::nullopt;
  reserve_given_ = false;
}

void Disk::give_reserve() {
  if (!room_ || reserve_given_) return;
  reserve_given_ = true;
  *room_ += kReserve;
}

std::optional<Disk::Failure> Disk::next_operation(bool is_sync) {
  ++operations_;
  if (is_sync && sync_failure_ == ++syncs_) return Failure::sync;
  auto const found = failures_.find(operations_);
  if (found == failures_.end()) return std::nullopt;
  Failure const failure = found->second;
  failures_.erase(found);
  return failure;
}

std::shared_ptr<Disk::File> Disk::open(std::string const& name) {
  auto const found = files_.find(name);
  if (found != files_.end()) return found->second;
  return files_.emplace(name, std::make_shared<File>()).first->second;
}

int Disk::write(File& file, void const* data, std::size_t size, std::uint64_t offset) {
  if (dead_) return SQLITE_IOERR_WRITE;
  auto const growth =
      static_cast<std::int64_t>(offset + size) - static_cast<std::int64_t>(file.content.size());
  if (room_ && growth > 0 && growth > *room_) return SQLITE_FULL;
  auto const failure = next_operation(false);
  if (failure == Failure::write || failure == Failure::error) return SQLITE_IOERR_WRITE;
  if (room_ && growth > 0) *room_ -= growth;
  Write write{offset, {static_cast<char const*>(data), size}, false};
  put(file.content, write);
  file.unsynced.push_back(std::move(write));
  if (failure != Failure::power) return SQLITE_OK;
  dead_ = true;
  return SQLITE_IOERR_WRITE;
}

int Disk::truncate(File& file, std::uint64_t size) {
  if (dead_) return SQLITE_IOERR_TRUNCATE;
  Write write{size, {}, true};
  put(file.content, write);
  file.unsynced.push_back(std::move(write));
  return SQLITE_OK;
}

int Disk::sync(File& file) {
  if (dead_) return SQLITE_IOERR_FSYNC;
  auto const failure = next_operation(true);
  if (failure == Failure::power) {
    dead_ = true;
    return SQLITE_IOERR_FSYNC;
  }
  if (failure == Failure::sync || failure == Failure::error) {
    file.unsynced.clear();  // they can be read, and nothing will carry them to the platter
    return SQLITE_IOERR_FSYNC;
  }
  if (lies_) return SQLITE_OK;
  for (Write const& write : file.unsynced)
    put(file.durable, write);
  file.unsynced.clear();
  return SQLITE_OK;
}

int Disk::remove(std::string const& name) {
  if (dead_) return SQLITE_IOERR_DELETE;
  return files_.erase(name) == 1 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

}  // namespace drover::sim
