// A backup from anybody: no crash, and whatever entry is seen names a new place below the state
// folder, in a folder that was seen before, with no right that a file must not have.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "backup/archive_reader.h"

namespace backup = drover::backup;

namespace {

constexpr std::size_t kPiecesMax = 64;  // a tar of holes is long to read, and all the same

void check(backup::Entry const& entry, std::set<std::string>& folders,
           std::set<std::string>& seen) {
  std::string const slashed = "/" + entry.path + "/";
  if (entry.path.empty() || slashed.contains("//") || slashed.contains("/../") ||
      slashed.contains("/./"))
    std::abort();
  if (!seen.insert(entry.path).second) std::abort();
  std::string const parent{backup::parent_of(entry.path)};
  if (!parent.empty() && !folders.contains(parent)) std::abort();
  if ((entry.mode & ~backup::kModeMask) != 0) std::abort();
  if (entry.kind == backup::EntryKind::folder) folders.insert(entry.path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto reader = backup::ArchiveReader::open_bytes({reinterpret_cast<char const*>(data), size});
  if (!reader) return 0;
  std::set<std::string> folders;
  std::set<std::string> seen;
  std::size_t pieces = 0;
  for (;;) {
    auto const entry = reader->next();
    if (!entry || !*entry) return 0;
    check(**entry, folders, seen);
    std::uint64_t bytes = 0;
    for (;;) {
      auto const piece = reader->read();
      if (!piece || ++pieces > kPiecesMax) return 0;
      if (piece->empty()) break;
      bytes += piece->size();
    }
    if (bytes != (*entry)->size) std::abort();
  }
}
