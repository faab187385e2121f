#pragma once
// A disk in memory that remembers what was synced, and SQLite's way to it.
//
// A file has what a process reads (the page cache) and what is durable. A write changes the first;
// a sync carries all writes so far into the second. When the power goes, each write that was not
// synced is lost, there, or there up to one of its sectors, whatever became of those around it.
// When a sync fails, its writes can still be read but will never be durable, as with Linux.
// Creating and deleting a file is durable at once.
//
// A handle belongs to the life of the process that opened it: after crash() it reaches nothing.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/trace.h"

namespace drover::sim {

inline constexpr char const* kVfs = "drover-sim";

class Disk {
 public:
  using Image = std::map<std::string, std::string>;

  // One at a time: SQLite's `kVfs` is this disk.
  Disk(Dice& dice, Image const& image);
  ~Disk();
  Disk(Disk const&) = delete;
  Disk& operator=(Disk const&) = delete;

  enum class Loss : std::uint8_t { process, power };
  // The process is gone, or the whole machine.
  void crash(Loss loss);
  // What a reader finds.
  [[nodiscard]] Image image() const;

  // ---- faults
  enum class Failure : std::uint8_t {
    power,
    sync,
    write,
    error,  // of a write or a sync
  };
  // At the n-th write or sync from now (of syncs, where it is one of a sync), counted from 1.
  void fail_at(std::uint64_t nth, Failure failure);
  // At this very operation, counted from 1 and from the beginning.
  void fail_point(std::uint64_t operation, Failure failure) { failures_[operation] = failure; }
  void clear_failures() {
    failures_.clear();
    sync_failure_.reset();
  }
  // What becomes of what was not synced when the power goes.
  enum class Fate : std::uint8_t {
    chance,
    lost,
    torn,  // all of it is there but the end of the last write
    kept,
  };
  void set_fate(Fate fate) { fate_ = fate; }
  // Writes and syncs so far.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  // The power has gone at a fail point: nothing works until crash().
  [[nodiscard]] bool dead() const { return dead_; }
  void set_full(bool full);
  // Some room, once for each time that the disk is full.
  void give_reserve();
  [[nodiscard]] bool reserve_held() const { return !reserve_given_; }
  void lie_about_sync() { lies_ = true; }

  // ---- for SQLite's methods
  struct Write {
    std::uint64_t offset = 0;
    std::string bytes;
    bool truncates = false;  // to `offset`
  };
  // The index of a write-ahead log, which its connections share.
  struct Shared {
    std::vector<std::unique_ptr<char[]>> regions;
    std::vector<int> readers = std::vector<int>(8, 0);
    std::vector<bool> owned = std::vector<bool>(8, false);
  };
  struct File {
    std::string content;
    std::string durable;
    std::vector<Write> unsynced;
    std::shared_ptr<Shared> shared = std::make_shared<Shared>();  // outlives a crash in old handles
    int sharers = 0;
    int locked = 0;  // by one handle: reserved or more
  };
  [[nodiscard]] std::uint64_t life() const { return life_; }
  [[nodiscard]] std::shared_ptr<File> open(std::string const& name);
  [[nodiscard]] bool exists(std::string const& name) const { return files_.contains(name); }
  // SQLite result codes.
  int write(File& file, void const* data, std::size_t size, std::uint64_t offset);
  int truncate(File& file, std::uint64_t size);
  int sync(File& file);
  int remove(std::string const& name);

 private:
  [[nodiscard]] std::optional<Failure> next_operation(bool is_sync);
  void lose_power(File& file);
  [[nodiscard]] std::size_t sectors_left(Write const& write, bool last);

  Dice* dice_;
  std::map<std::string, std::shared_ptr<File>> files_;
  std::uint64_t life_ = 1;
  std::map<std::uint64_t, Failure> failures_;  // by number of operation
  std::uint64_t operations_ = 0;
  std::uint64_t syncs_ = 0;
  std::optional<std::uint64_t> sync_failure_;
  std::optional<std::int64_t> room_;
  Fate fate_ = Fate::chance;
  bool reserve_given_ = false;
  bool dead_ = false;
  bool lies_ = false;
};

}  // namespace drover::sim
