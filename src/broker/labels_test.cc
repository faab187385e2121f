#include "broker/labels.h"

#include <gtest/gtest.h>

namespace drover::broker {
namespace {

TEST(Labels, AWorkerFitsThatHasEveryLabelAskedFor) {
  Labels const there{{"gpu", "a100"}, {"zone", "eu"}};
  EXPECT_TRUE(has_labels(there, {}));
  EXPECT_TRUE(has_labels(there, {{"gpu", "a100"}}));
  EXPECT_TRUE(has_labels(there, there));
  EXPECT_FALSE(has_labels(there, {{"gpu", "h100"}}));
  EXPECT_FALSE(has_labels(there, {{"gpu", "a100"}, {"disk", "fast"}}));
  EXPECT_FALSE(has_labels({}, {{"gpu", "a100"}}));
}

TEST(Labels, AreReadAsTheyArePrinted) {
  for (Labels const& labels :
       {Labels{}, Labels{{"gpu", "a100"}}, Labels{{"a/b.c", "x=y:1"}, {"zone", "eu-1"}}}) {
    auto const read = parse_labels(print_labels(labels));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, labels);
  }
  EXPECT_EQ(parse_labels(" zone=eu , gpu=a100 ").value(),
            (Labels{{"gpu", "a100"}, {"zone", "eu"}}));
}

// A comma in a value would be read as the next label.
TEST(Labels, WhatCouldBeReadOtherwiseIsRefused) {
  for (std::string_view const text :
       {"gpu", "=x", "gpu=", "g pu=x", "gpu=a b", "gpu=a,gpu=b", "gpu=a,,zone=b", "gpu=\xc3\xa4"})
    EXPECT_FALSE(parse_labels(text)) << text;
  EXPECT_FALSE(check_labels({{"gpu", "a,zone=b"}}, kLabelsMax));
  EXPECT_FALSE(check_labels({{"gpu=a", "b"}}, kLabelsMax));
  EXPECT_FALSE(check_labels({{"gpu", std::string(kLabelBytesMax + 1, 'a')}}, kLabelsMax));
  EXPECT_FALSE(check_labels({{"a", "1"}, {"b", "2"}}, 1));
  EXPECT_TRUE(check_labels({{"a", "1"}, {"b", "2"}}, 2));
}

}  // namespace
}  // namespace drover::broker
