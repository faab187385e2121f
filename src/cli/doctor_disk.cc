#include "cli/doctor_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"
#include "cli/layout.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::cli {

namespace {

constexpr std::size_t kSyncs = 5;
constexpr Millis kSlowSync{50};  // a run takes some ten of them
constexpr std::uint64_t kScarceMb = 1024;

std::string nearest_folder(std::string folder) {
  while (folder.size() > 1 && !os::exists(folder))
    folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
  return folder;
}

// On a file without a name, so that nothing can be left.
Result<Millis> sync_time(std::string const& folder) {
  os::Fd const file{::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)};
  if (!file.valid()) return fail_errno("write in", folder);
  std::array<Millis, kSyncs> took{};
  for (auto& one : took) {
    auto const begin = std::chrono::steady_clock::now();
    DROVER_TRY(os::write_all(file.get(), std::string(4096, 'x'), folder));
    if (::fdatasync(file.get()) != 0) return fail_errno("sync", folder);
    one = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin);
  }
  std::ranges::sort(took);
  return took[kSyncs / 2];
}

}  // namespace

Result<DiskFacts> disk_facts(std::string const& folder) {
  DiskFacts facts;
  facts.folder = nearest_folder(folder);
  struct statfs system{};
  struct statvfs room{};
  if (::statfs(facts.folder.c_str(), &system) != 0 || ::statvfs(facts.folder.c_str(), &room) != 0)
    return fail_errno("look at the file system of", facts.folder);
  facts.in_memory = system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC;
  facts.free_mb = (room.f_bavail * room.f_frsize) >> 20U;
  auto const sync = sync_time(facts.folder);
  if (!sync) return std::unexpected(sync.error());
  facts.sync = *sync;
  return facts;
}

sandbox::Layer disk_layer(DiskFacts const& facts) {
  using enum sandbox::LayerState;
  sandbox::Layer layer{"state folder", enforced, "", ""};
  layer.how = fmt::format("{}: a sync takes {}, {} MiB are free", printable(facts.folder, 200),
                          facts.sync.count() == 0 ? "less than 1 ms" : short_duration(facts.sync),
                          facts.free_mb);
  if (facts.in_memory) {
    layer.how = fmt::format("{} is in memory: what was accepted is lost with the machine's power",
                            printable(facts.folder, 200));
    layer.fix = "set DROVER_STATE_DIR to a folder on a disk";
  } else if (facts.free_mb < kScarceMb) {
    layer.fix = "make room: where the disk is full, new work is refused";
  } else if (facts.sync >= kSlowSync) {
    layer.fix = "every step of a run waits for a sync; set DROVER_STATE_DIR to a faster disk";
  }
  if (!layer.fix.empty()) layer.state = degraded;
  return layer;
}

}  // namespace drover::cli
