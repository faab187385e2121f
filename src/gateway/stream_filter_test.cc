#include "gateway/stream_filter.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace drover::gateway {
namespace {

// In random cuts, and whatever those are with the same outcome.
template <class Filter>
std::string through(Filter filter, std::string const& text, SeededRandom& random) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::size_t const size = 1 + random.below(std::min<std::size_t>(rest.size(), 7));
    out += filter.feed(std::string{rest.substr(0, size)});
    rest.remove_prefix(size);
  }
  return out + filter.finish();
}

TEST(KeyFilter, TheKeyComesThroughInNoCut) {
  std::string const key = "sk-sk-secret";
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random{seed};
    EXPECT_EQ(
        through(KeyFilter{Secret{key}}, "a sk-" + key + " b sk-sk- " + key + key + "sk-s", random),
        "a sk-*** b sk-sk- ******sk-s")
        << seed;
  }
}

TEST(KeyFilter, NothingElseIsHeldBack) {
  KeyFilter filter{Secret{std::string{"sk-secret"}}};
  EXPECT_EQ(filter.feed("hello\n\n"), "hello\n\n");
  EXPECT_EQ(filter.feed("x s"), "x ");
  EXPECT_EQ(filter.feed("o"), "so");
}

TEST(ChatUsageFilter, OnlyTheChunkThatSaysTheUsageIsLeftOut) {
  std::string const kept =
      "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\n"
      ": comment\r\n\r\n"
      "data: {\"choices\":[],\"note\":\"usage\"}\n\n";
  std::string const usage =
      "data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n";
  std::string const end = "data: [DONE]\n\n";
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random{seed};
    EXPECT_EQ(through(ChatUsageFilter{}, kept + usage + end + "data: {\"cut", random),
              kept + end + "data: {\"cut")
        << seed;
  }
}

TEST(ChatUsageFilter, AnEventWithoutEndIsNotKept) {
  ChatUsageFilter filter;
  std::string const large(ChatUsageFilter::kEventBytesMax + 1, 'x');
  EXPECT_EQ(filter.feed(large), large);
  EXPECT_EQ(filter.feed("more"), "more");
}

}  // namespace
}  // namespace drover::gateway
