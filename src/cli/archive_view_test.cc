#include "cli/archive_view.h"

#include <gtest/gtest.h>

namespace drover::cli {
namespace {

TEST(ArchiveView, SaysWhatIsInItAndWhatIsNot) {
  backup::Archive archive;
  archive.bytes = 1'234'567;
  archive.manifest.rows = {{"runs", 7}, {"sessions", 1}, {"workspaces", 4}};
  EXPECT_EQ(sizes_of(archive), "1.2 MB, 1 session, 7 runs");
  EXPECT_EQ(missing_of(archive.manifest.left_out), "");
  archive.manifest.left_out = {
      .special = 2, .vanished = 0, .unreadable = 1, .too_large = 0, .changed = 3};
  EXPECT_EQ(missing_of(archive.manifest.left_out),
            "2 FIFOs, sockets or devices left out, 1 file unreadable, 3 files changed while they "
            "were read");
  auto const object = archive_object(archive, Millis{12});
  EXPECT_EQ(object.at("runs").as_int64(), 7);
  EXPECT_EQ(object.at("left_out").at("changed").as_int64(), 3);
  EXPECT_EQ(object.at("took_ms").as_int64(), 12);
}

}  // namespace
}  // namespace drover::cli
