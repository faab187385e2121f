#include "base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <vector>

namespace drover {
namespace {

TEST(Random, OneSeedGivesOneSequence) {
  SeededRandom left{42}, right{42}, other{43};
  int differing = 0;
  for (int i = 0; i < 1000; ++i) {
    auto const value = left.below(1U << 30U);
    ASSERT_EQ(value, right.below(1U << 30U));
    differing += value != other.below(1U << 30U) ? 1 : 0;
  }
  EXPECT_GT(differing, 990);
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  SeededRandom random{1};
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    auto const value = random.below(7);
    ASSERT_LT(value, 7U);
    seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 7U);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(random.below(1), 0U);
  EXPECT_LE(random.below(UINT64_MAX), UINT64_MAX - 1);
}

// Yields given words, to reach the values that a plain modulo would favour.
class FixedWords final : public Random {
 public:
  explicit FixedWords(std::vector<std::uint64_t> words) : words_(std::move(words)) {}
  void fill(std::span<std::byte> out) override {
    auto const bytes = std::as_bytes(std::span{&words_.at(next_++), 1});
    std::copy_n(bytes.begin(), out.size(), out.begin());
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t next_ = 0;
};

TEST(Random, BelowDrawsAgainInsteadOfFavouringSmallResults) {
  // 2^64 - 1 is a multiple of 3, so only the top value would be one too many.
  FixedWords words{{UINT64_MAX, 5}};
  EXPECT_EQ(words.below(3), 5U % 3);
}

TEST(Random, FillReachesEveryByteOfOddSizes) {
  SeededRandom seeded{9};
  SystemRandom system;
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{9}}) {
    for (Random* random : {static_cast<Random*>(&seeded), static_cast<Random*>(&system)}) {
      // A byte that stays zero through 64 fills was never written.
      std::vector<std::byte> touched(size);
      for (int round = 0; round < 64; ++round) {
        std::vector<std::byte> bytes(size);
        random->fill(bytes);
        for (std::size_t i = 0; i < size; ++i)
          touched[i] |= bytes[i];
      }
      for (auto const byte : touched)
        EXPECT_NE(byte, std::byte{0});
    }
  }
}

}  // namespace
}  // namespace drover
