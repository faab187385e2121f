#include "git/index_file.h"

#include <algorithm>

#include "base/random.h"
#include "git/test_repository.h"

namespace drover::git {
namespace {

class Index : public testing::RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    make_repository();
    write("deep/er/file", "x\n");
    sh("git add -A && git commit -q -m deep && git write-tree >/dev/null");
  }
};

TEST_F(Index, WritesWhatItReadByteForByte) {
  for (std::string const version : {"2", "4"}) {
    sh("git update-index --index-version " + version + " && git read-tree HEAD && git status");
    auto const bytes = os::read_file(work_ + "/.git/index");
    auto const index = IndexFile::read(work_ + "/.git/index");
    ASSERT_TRUE(bytes && index);
    EXPECT_EQ(index->entries().size(), 3U);
    EXPECT_EQ(index->serialize(), *bytes) << "version " << version;
  }
}

TEST_F(Index, AMissingOneIsEmpty) {
  auto const index = IndexFile::read(work_ + "/.git/absent");
  ASSERT_TRUE(index);
  EXPECT_TRUE(index->entries().empty());
}

// Damage is refused or read as something else, but never crashes. The checksum is zeroed, which
// git's index.skipHash writes too, so that the damage reaches the parser.
TEST_F(Index, SurvivesDamage) {
  auto const good = os::read_file(work_ + "/.git/index");
  ASSERT_TRUE(good);
  SeededRandom random{42};
  int accepted = 0;
  std::string const path = top_ + "/damaged";
  for (int i = 0; i < 1500; ++i) {
    std::string bytes = *good;
    auto const changes = 1 + random.below(3);
    for (std::uint64_t k = 0; k < changes; ++k)
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    if (random.below(4) == 0) bytes.resize(32 + random.below(bytes.size() - 32));
    std::fill(bytes.end() - 20, bytes.end(), '\0');
    FILE* const file = std::fopen(path.c_str(), "wb");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    auto const index = IndexFile::read(path);
    if (!index) continue;
    ++accepted;
    EXPECT_TRUE(std::ranges::is_sorted(index->entries(), {}, &IndexEntry::path));
    EXPECT_FALSE(index->serialize().empty());
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 1500);
}

}  // namespace
}  // namespace drover::git
