#include "driver/entry_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "workflow/iterate.h"

namespace drover::driver {

namespace {

// Empty where there is no such file.
std::string name_of(workflow::Entrypoint const& entry) {
  struct stat info{};
  if (::stat(entry.import_path.c_str(), &info) != 0) return "";
  return fmt::format("{}#{} {} {} {} {}.{} {}.{}", entry.import_path, entry.export_name,
                     info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
}

}  // namespace

Status EntryChecks::check(workflow::Entrypoint const& entry, workflow::HostSpec const& host) {
  std::string const name = name_of(entry);
  {
    std::scoped_lock const held{lock_};
    if (loadable_.contains(name)) return {};
  }
  DROVER_TRY(workflow::check_entry(entry.import_path, entry.export_name, host));
  if (name.empty()) return {};
  std::scoped_lock const held{lock_};
  if (loadable_.size() >= kKept) loadable_.clear();
  loadable_.insert(name);
  return {};
}

}  // namespace drover::driver
