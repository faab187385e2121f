#include "broker/mirror_book.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"

namespace drover::broker {
namespace {

TEST(MirrorBook, CopiesOnFromWhereRedisIs) {
  MirrorBook book;
  book.published("a", 1, 3, false);
  auto next = book.next(10);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].after, 0);
  book.answered("a", 2);
  next = book.next(10);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].after, 2);
  book.answered("a", 3);
  EXPECT_TRUE(book.done());
  book.published("a", 4, 4, true);
  EXPECT_TRUE(book.next(10)[0].closed);
  book.answered("a", 4);
  EXPECT_TRUE(book.done());
}

TEST(MirrorBook, AsksWhatItDoubts) {
  MirrorBook book;
  book.published("a", 1, 3, false);
  book.answered("a", 3);
  book.doubt("a", 3, false);
  book.doubt("b", 5, true);
  auto const next = book.next(10);
  ASSERT_EQ(next.size(), 2U);
  EXPECT_FALSE(next[0].after);
  EXPECT_FALSE(next[1].after);
  book.answered("b", 5);
  book.answered("a", 1);
  ASSERT_EQ(book.next(10).size(), 1U);
  EXPECT_EQ(book.next(10)[0].after, 1);
}

TEST(MirrorBook, StreamsTakeTurns) {
  MirrorBook book;
  for (char name = 'a'; name < 'a' + 10; ++name)
    book.published(std::string(1, name), 1, 100, false);
  std::map<std::string, int> turns;
  for (int i = 0; i < 20; ++i)
    for (auto const& next : book.next(3))
      ++turns[next.name];
  EXPECT_EQ(turns.size(), 10U);
  for (auto const& [name, count] : turns)
    EXPECT_EQ(count, 6) << name;
}

// Whatever Redis loses and forgets to answer: in the end it has everything, and is asked nothing.
TEST(MirrorBook, ComesToRestWithEverythingCopied) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random{seed};
    MirrorBook book;
    std::map<std::string, std::int64_t> store;
    std::map<std::string, std::int64_t> redis;
    std::map<std::string, bool> closed;
    auto const copy = [&](bool reliable) {
      for (auto const& next : book.next(2)) {
        std::int64_t& have = redis[next.name];
        if (next.after && have >= *next.after)
          have = std::max(have, std::min(store[next.name], *next.after + 3));
        if (reliable || random.below(3) > 0) book.answered(next.name, have);
      }
    };
    for (int step = 0; step < 80; ++step) {
      std::string const name(1, static_cast<char>('a' + random.below(5)));
      switch (random.below(4)) {
        case 0:
        case 1:
          if (!closed[name]) {
            std::int64_t const first = store[name] + 1;
            store[name] += static_cast<std::int64_t>(1 + random.below(5));
            closed[name] = random.below(8) == 0;
            book.published(name, first, store[name], closed[name]);
          }
          break;
        case 2:
          copy(false);
          break;
        default:
          if (random.below(4) > 0) break;
          // Redis lost some, and it was noticed.
          for (auto& [lost, have] : redis)
            have = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(have) + 1));
          for (auto const& [kept, last] : store)
            book.doubt(kept, last, closed[kept]);
      }
    }
    for (int i = 0; i < 1000 && !book.done(); ++i)
      copy(true);
    ASSERT_TRUE(book.done()) << "seed " << seed;
    for (auto const& [name, last] : store)
      ASSERT_EQ(redis[name], last) << "seed " << seed << " stream " << name;
  }
}

}  // namespace
}  // namespace drover::broker
