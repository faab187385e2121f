#include "base/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace drover {
namespace {

bool finds(std::string_view pattern, std::string_view text) {
  auto const compiled = Pattern::compile(pattern);
  EXPECT_TRUE(compiled.has_value())
      << pattern << ": " << (compiled ? "" : compiled.error().message);
  return compiled && compiled->search(text);
}

TEST(Pattern, SearchesAnywhereUnlessAnchored) {
  EXPECT_TRUE(finds("b", "abc"));
  EXPECT_FALSE(finds("^b", "abc"));
  EXPECT_FALSE(finds("b$", "abc"));
  EXPECT_TRUE(finds("^abc$", "abc"));
  EXPECT_TRUE(finds("", ""));
  EXPECT_TRUE(finds("", "x"));
  EXPECT_TRUE(finds("^$", ""));
  EXPECT_FALSE(finds("^$", "\n"));  // no multiline flag
}

TEST(Pattern, AlternativesAndGroups) {
  EXPECT_TRUE(finds("^(a|bc|)d$", "bcd"));
  EXPECT_TRUE(finds("^(a|bc|)d$", "d"));
  EXPECT_FALSE(finds("^(?:a|bc)d$", "abcd"));
  EXPECT_TRUE(finds("^a|b$", "xb"));
  EXPECT_FALSE(finds("^(a|b)$", "xb"));
}

TEST(Pattern, Quantifiers) {
  EXPECT_TRUE(finds("^a{2,3}$", "aa"));
  EXPECT_TRUE(finds("^a{2,3}$", "aaa"));
  EXPECT_FALSE(finds("^a{2,3}$", "a"));
  EXPECT_FALSE(finds("^a{2,3}$", "aaaa"));
  EXPECT_TRUE(finds("^a{2}$", "aa"));
  EXPECT_FALSE(finds("^a{2}$", "aaa"));
  EXPECT_TRUE(finds("^a{2,}$", "aaaaaaa"));
  EXPECT_TRUE(finds("^(ab)*c+d?$", "ababcc"));
  EXPECT_TRUE(finds("^a*?b+?c??$", "aabb"));
  EXPECT_TRUE(finds("^(a*)*$", "aaaa"));
  EXPECT_TRUE(finds("^(a|b*)*c$", "abbac"));
  EXPECT_TRUE(finds("^(){1000}$", ""));
}

TEST(Pattern, Classes) {
  EXPECT_TRUE(finds("^[a-z0-9][a-z0-9-]{0,62}$", "my-workspace-1"));
  EXPECT_FALSE(finds("^[a-z0-9][a-z0-9-]{0,62}$", "-x"));
  EXPECT_FALSE(finds("^[a-z0-9][a-z0-9-]{0,62}$", std::string(64, 'a')));
  EXPECT_FALSE(finds("^[^/\\0]+$", "a/b"));
  EXPECT_FALSE(finds("^[^/\\0]+$", std::string_view{"a\0b", 3}));
  EXPECT_TRUE(finds("^[\\d\\-_]+$", "1-2_3"));
  EXPECT_TRUE(finds("^[-a]+$", "-a"));
  EXPECT_TRUE(finds("^[a-]+$", "-a"));
  EXPECT_TRUE(finds("^\\w+\\s\\S\\D$", "ab_1 x."));
  EXPECT_FALSE(finds("\\W", "abc_9"));
  EXPECT_FALSE(finds("[]", "anything"));
  EXPECT_TRUE(finds("^[^]$", "\n"));
  EXPECT_FALSE(finds("^.$", "\n"));
  EXPECT_TRUE(finds("^[\\b]$", "\b"));
}

TEST(Pattern, WordBoundaries) {
  EXPECT_TRUE(finds("\\bfoo\\b", "a foo!"));
  EXPECT_FALSE(finds("\\bfoo\\b", "afoo"));
  EXPECT_TRUE(finds("a\\Bb", "ab"));
}

TEST(Pattern, WorksOnCodePoints) {
  EXPECT_TRUE(finds("^.$", "𝄞"));
  EXPECT_TRUE(finds("^é{3}$", "ééé"));
  EXPECT_TRUE(finds("^[α-ω]+$", "λογος"));
  EXPECT_TRUE(finds("^\\u00e9\\x41\\u{1D11E}$", "éA𝄞"));
  EXPECT_TRUE(finds("^\\t\\n\\r\\f\\v\\/\\.$", "\t\n\r\f\v/."));
  EXPECT_FALSE(finds("^[a-z]$", "\xC3"));
}

TEST(Pattern, RefusesWhatItCannotKeep) {
  for (auto const* bad : {"(",           ")",       "a)",
                          "(a",          "[a",      "[z-a]",
                          "[\\d-z]",     "*",       "a**",
                          "+a",          "a{2",     "a{2,1}",
                          "a{,3}",       "a{1001}", "{",
                          "}",           "]",       "\\",
                          "\\1",         "\\k<x>",  "\\p{L}",
                          "\\q",         "\\x4",    "\\u12",
                          "\\u{110000}", "\\u{}",   "(?=a)",
                          "(?!a)",       "(?<=a)",  "(?<n>a)",
                          "^*",          "\\b+",    "a{99999999999}"}) {
    auto const compiled = Pattern::compile(bad);
    ASSERT_FALSE(compiled.has_value()) << bad;
    EXPECT_EQ(compiled.error().code, ErrorCode::invalid_argument) << bad;
  }
}

TEST(Pattern, IsBoundedInSizeAndDepth) {
  EXPECT_EQ(Pattern::compile(std::string(5000, 'a')).error().code, ErrorCode::too_large);
  EXPECT_EQ(Pattern::compile("(a{1000}){1000}").error().code, ErrorCode::too_large);
  EXPECT_EQ(Pattern::compile("((((){1000}){1000}){1000}){1000}").error().code,
            ErrorCode::too_large);
  EXPECT_FALSE(Pattern::compile(std::string(2000, '(') + std::string(2000, ')')).has_value());
  EXPECT_TRUE(Pattern::compile("(((((((((a)))))))))").has_value());
}

// Backtracking engines take 2^n steps on these.
TEST(Pattern, CannotBeMadeToHang) {
  auto const start = std::chrono::steady_clock::now();
  std::string const text = std::string(20'000, 'a') + "!";
  EXPECT_FALSE(finds("^(a+)+$", text));
  EXPECT_FALSE(finds("^(a|aa)*$", text));
  EXPECT_FALSE(finds("^(a|a?)+$", text));
  EXPECT_FALSE(finds("(x+x+)+y", text));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{5});
}

}  // namespace
}  // namespace drover
