#include "workflow/collation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "workflow/js_text.h"

namespace drover::workflow {
namespace {

// As Node 20 (ICU 78) sorts them with localeCompare.
std::vector<std::string> const kSorted = {
    "",    " ",   "_",  "_u", "-",  "1",  "10",    "9", "a", "A",  "á",      "à", "â",   "a b",
    "a_b", "a-b", "a1", "aa", "ab", "Ab", "alpha", "b", "é", "e1", "nested", "z", "Zeta"};

TEST(Collation, OrdersNamesAsLocaleCompareDoes) {
  for (std::size_t i = 0; i + 1 < kSorted.size(); ++i) {
    EXPECT_LT(locale_compare(kSorted[i], kSorted[i + 1]), 0) << kSorted[i] << " " << kSorted[i + 1];
    EXPECT_GT(locale_compare(kSorted[i + 1], kSorted[i]), 0) << kSorted[i] << " " << kSorted[i + 1];
  }
}

TEST(Collation, IsAnOrder) {
  std::mt19937 engine{3};
  std::string const alphabet = "aAbB_-1 é";
  std::vector<std::string> words;
  for (int i = 0; i < 60; ++i) {
    std::string word;
    for (std::size_t n = engine() % 4; n > 0; --n)
      word += kSorted[engine() % kSorted.size()];
    words.push_back(word);
  }
  for (auto const& a : words)
    for (auto const& b : words) {
      EXPECT_EQ(locale_compare(a, b), -locale_compare(b, a));
      for (auto const& c : words)
        if (locale_compare(a, b) <= 0 && locale_compare(b, c) <= 0) {
          EXPECT_LE(locale_compare(a, c), 0) << a << "|" << b << "|" << c;
        }
    }
}

TEST(Collation, SortsMembersAtEveryDepthAndLosesNone) {
  auto const value = parse_json(R"({"b":[{"z":1,"Z":2,"a":3}],"A":{"y":1,"x":null},"a":1})");
  EXPECT_EQ(compact_text(sorted_members(*value)),
            R"({"a":1,"A":{"x":null,"y":1},"b":[{"a":3,"z":1,"Z":2}]})");
}

}  // namespace
}  // namespace drover::workflow
