#include "model/messages.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "model/pricing.h"

namespace drover::model {
namespace {

std::string user(std::string_view text) {
  std::array const blocks{text_block(text)};
  return message_json(Role::user, blocks);
}
std::string assistant(std::string_view text) {
  std::array const blocks{text_block(text)};
  return message_json(Role::assistant, blocks);
}

RequestBuilder make_builder() {
  RequestBuilder::Options options;
  options.model = "m1";
  options.system = "be \"good\"";
  options.tools = {{"Read", "reads", R"({"type":"object"})"},
                   {"Bash", "runs", R"({"type":"object"})"}};
  options.user_id = "ses-1";
  return RequestBuilder{std::move(options)};
}

// Where cache marks are, as JSON pointers in document order.
void find_marks(json::value const& value, std::string const& at, std::vector<std::string>& out) {
  if (value.is_object()) {
    if (value.get_object().contains("cache_control")) out.push_back(at);
    for (auto const& member : value.get_object())
      find_marks(member.value(), at + "/" + std::string{member.key()}, out);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.get_array().size(); ++i)
      find_marks(value.get_array()[i], at + "/" + std::to_string(i), out);
  }
}
std::vector<std::string> marks(std::string const& body) {
  std::vector<std::string> out;
  find_marks(json::parse(body), "", out);
  return out;
}

TEST(RequestBuilder, SlidesItsBreakpoints) {
  RequestBuilder builder = make_builder();
  builder.append(Role::user, user("one"));
  EXPECT_EQ(marks(builder.body()),
            (std::vector<std::string>{"/tools/1", "/system/0", "/messages/0/content/0"}));
  for (int turn = 0; turn < 10; ++turn) {
    builder.append(Role::assistant, assistant("a"));
    std::array const results{tool_result_block("t1", "x", ToolOutcome::ok),
                             tool_result_block("t2", "y", ToolOutcome::error)};
    builder.append(Role::user, message_json(Role::user, results));
    std::vector<std::string> const expected{
        "/tools/1", "/system/0",
        turn == 0 ? "/messages/0/content/0"
                  : "/messages/" + std::to_string(2 * turn) + "/content/1",
        "/messages/" + std::to_string(2 * turn + 2) + "/content/1"};
    std::string const body = builder.body();
    EXPECT_EQ(marks(body), expected);
    EXPECT_EQ(builder.body(), body) << "a retry sends the same bytes";
  }
}

TEST(RequestBuilder, KeepsThePreviousRequestsAnchorOverSeveralUserMessages) {
  RequestBuilder builder = make_builder();
  builder.append(Role::user, user("one"));
  static_cast<void>(builder.body());
  builder.append(Role::assistant, assistant("a"));
  builder.append(Role::user, user("note"));
  builder.append(Role::user, user("two"));
  auto const found = marks(builder.body());
  EXPECT_EQ(found[2], "/messages/0/content/0");
  EXPECT_EQ(found[3], "/messages/3/content/0");
}

TEST(RequestBuilder, TheHistoryIsAStablePrefix) {
  RequestBuilder builder = make_builder();
  builder.append(Role::user, user("one"));
  auto const first = json::parse(builder.body()).as_object();
  builder.append(Role::assistant, assistant("a"));
  builder.append(Role::user, user("two"));
  auto const second = json::parse(builder.body()).as_object();
  EXPECT_EQ(first.at("tools"), second.at("tools"));
  EXPECT_EQ(first.at("system"), second.at("system"));
  EXPECT_EQ(first.at("messages").at(0).at("content").at(0).at("text"), "one");
  EXPECT_EQ(second.at("stream"), true);
  EXPECT_EQ(second.at("metadata").at("user_id"), "ses-1");
  builder.set_model("m2");
  EXPECT_EQ(json::parse(builder.body()).at("model"), "m2");
}

TEST(RequestBuilder, MendsTextThatIsNotUtf8) {
  RequestBuilder builder = make_builder();
  builder.append(Role::user, user("a\xff"
                                  "b"));
  EXPECT_EQ(json::parse(builder.body()).at("messages").at(0).at("content").at(0).at("text"),
            "a\xef\xbf\xbd"
            "b");
}

TEST(Pricing, TakesTheLongestPrefix) {
  EXPECT_EQ(find_price("claude-opus-4-5-20251101")->input, 5000);
  EXPECT_EQ(find_price("claude-opus-4-1-20250805")->input, 15000);
  EXPECT_EQ(find_price("anthropic/claude-sonnet-4-6")->output, 15000);
  EXPECT_FALSE(find_price("gpt-9"));
  EXPECT_FALSE(find_price(""));
}

TEST(Pricing, CountsEveryKindOfTokenAndRoundsUp) {
  Price const price{3000, 15000, 300, 3750, 6000};
  EXPECT_EQ(cost_microdollars(price, {1'000'000, 0, 0, 0, 0}), 3'000'000);
  EXPECT_EQ(cost_microdollars(price, {1, 1, 1, 1, 1}), 29);  // 28.05
  EXPECT_EQ(cost_microdollars(price, {0, 0, 1, 0, 0}), 1);
  EXPECT_EQ(cost_microdollars(price, {}), 0);
}

TEST(Pricing, ReadsPricesOfTheUser) {
  auto const value = json::parse(R"({"input":2,"output":10.5,"cache_read":0.05})");
  auto const price = parse_price(*JsonObject::of(value));
  ASSERT_TRUE(price);
  EXPECT_EQ(*price, (Price{2000, 10500, 50, 2500, 4000}));
  auto const bad = json::parse(R"({"input":-1})");
  auto const refused = parse_price(*JsonObject::of(bad, "/pricing"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("/pricing/input: expected"))
      << refused.error().message;
}

TEST(Usage, ReadsTheCacheCounters) {
  Usage usage;
  read_usage(json::parse(R"({"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,
    "cache_creation_input_tokens":10,"cache_creation":{"ephemeral_1h_input_tokens":4}})")
                 .as_object(),
             usage);
  EXPECT_EQ(usage, (Usage{1, 2, 3, 6, 4}));
  read_usage(json::parse(R"({"output_tokens":7})").as_object(), usage);
  EXPECT_EQ(usage, (Usage{1, 7, 3, 6, 4}));
}

}  // namespace
}  // namespace drover::model
