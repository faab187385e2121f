#include "cli/discovery.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "os/files.h"

namespace drover::cli {
namespace {

Environment environment(std::map<std::string, std::string, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    auto const at = values.find(name);
    if (at == values.end()) return std::nullopt;
    return at->second;
  };
}

class Discovery : public testing::Test {
 protected:
  Discovery() {
    std::string name = testing::TempDir() + "/discovery.XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~Discovery() override { (void)os::remove_tree(folder_); }

  void write(std::string_view text) const {
    ASSERT_TRUE(os::write_file_atomic(folder_ + "/server.json", text, 0600));
  }
  std::string folder_;
};

TEST_F(Discovery, TheStateFolderIsWhereTheEnvironmentSays) {
  EXPECT_EQ(*state_folder(environment({{"DROVER_STATE_DIR", "/d/"}, {"XDG_STATE_HOME", "/x"}})),
            "/d");
  EXPECT_EQ(*state_folder(environment({{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}})), "/x/drover");
  EXPECT_EQ(*state_folder(environment({{"XDG_STATE_HOME", "relative"}, {"HOME", "/h"}})),
            "/h/.local/state/drover");
  EXPECT_EQ(*state_folder(environment({{"DROVER_STATE_DIR", "s"}})),
            std::filesystem::current_path().string() + "/s");
}

TEST_F(Discovery, ReadsWhatAServerLeft) {
  write(R"({"url":"http://127.0.0.1:4000/","token":"t","pid":7,"more":1})");
  auto const endpoint = discover("", environment({{"DROVER_STATE_DIR", folder_}}));
  ASSERT_TRUE(endpoint) << endpoint.error().text();
  EXPECT_EQ(endpoint->url, "http://127.0.0.1:4000");
  EXPECT_EQ(endpoint->token.reveal(), "t");
  EXPECT_EQ(endpoint->pid, 7);
  EXPECT_EQ(browser_address(*endpoint), "http://127.0.0.1:4000/#token=t");
}

TEST_F(Discovery, NoServerIsUnreachableAndSaysHowToStartOne) {
  auto const endpoint = discover("", environment({{"DROVER_STATE_DIR", folder_}}));
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(exit_code(endpoint.error().code), 3);
  EXPECT_TRUE(endpoint.error().text().contains("drover up"));
}

TEST_F(Discovery, ABrokenServerFileIsAnErrorThatNamesIt) {
  for (char const* const text :
       {"", "{", "[]", R"({"url":"http://h"})", R"({"url":7,"token":"t","pid":7})",
        R"({"url":"file:///etc","token":"t","pid":7})",
        R"({"url":"http://h","token":"a\r\nb","pid":7})",
        R"({"url":"http://h","token":"","pid":7})", R"({"url":"http://h","token":"t","pid":-1})",
        R"({"url":"http://h","token":"t","pid":0})"}) {
    write(text);
    auto const endpoint = read_server_file(folder_);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().code, ErrorCode::data_corrupt) << text;
    EXPECT_TRUE(endpoint.error().message.contains("server.json")) << text;
  }
}

TEST_F(Discovery, TheUsersWordGoesBeforeTheFile) {
  write(R"({"url":"http://127.0.0.1:4000","token":"file","pid":7})");
  auto const variables = environment({{"DROVER_STATE_DIR", folder_},
                                      {"DROVER_SERVER", "https://there:1"},
                                      {"DROVER_TOKEN", "env"}});
  auto const from_environment = discover("", variables);
  ASSERT_TRUE(from_environment);
  EXPECT_EQ(from_environment->url, "https://there:1");
  EXPECT_EQ(from_environment->token.reveal(), "env");
  EXPECT_EQ(from_environment->source, EndpointSource::user);
  EXPECT_EQ(discover("http://here:2/", variables)->url, "http://here:2");
}

TEST_F(Discovery, AnAddressAsUpPrintsItIsEnough) {
  auto const endpoint =
      discover("http://127.0.0.1:4000/#token=abc", environment({{"DROVER_STATE_DIR", folder_}}));
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->url, "http://127.0.0.1:4000");
  EXPECT_EQ(endpoint->token.reveal(), "abc");
}

TEST_F(Discovery, AServerWithoutATokenIsRefusedButOurOwnIsKnown) {
  write(R"({"url":"http://127.0.0.1:4000","token":"file","pid":7})");
  auto const variables = environment({{"DROVER_STATE_DIR", folder_}});
  EXPECT_EQ(discover("http://127.0.0.1:4000", variables)->token.reveal(), "file");
  // The token of one server is never sent to another.
  auto const other = discover("http://127.0.0.1:4001", variables);
  ASSERT_FALSE(other);
  EXPECT_TRUE(other.error().text().contains("DROVER_TOKEN"));
}

}  // namespace
}  // namespace drover::cli
