#include "gateway/credential.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>

#include "gateway/upstream_set.h"
#include "os/files.h"

namespace drover::gateway {
namespace {

class Credential : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "drover-credential-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { EXPECT_TRUE(os::remove_tree(folder_)); }
  std::string file(std::string const& name, std::string_view text) {
    EXPECT_TRUE(os::write_file_atomic(folder_ + "/" + name, text));
    return folder_ + "/" + name;
  }
  static KeySource source(KeySource::Kind kind, std::string name,
                          std::vector<std::string> argv = {}) {
    KeySource out;
    out.kind = kind;
    out.name = std::move(name);
    out.argv = std::move(argv);
    return out;
  }

  std::string folder_;
  TakenVariables variables_;
};

TEST_F(Credential, ComesFromAFileOrASystemdCredentialWithoutItsLineEnd) {
  auto const path = file("key", "  sk-file\n");
  EXPECT_EQ(read_credential(source(KeySource::Kind::file, path), variables_)->reveal(), "sk-file");
  ASSERT_EQ(::setenv("CREDENTIALS_DIRECTORY", folder_.c_str(), 1), 0);
  EXPECT_EQ(read_credential(source(KeySource::Kind::credential, "key"), variables_)->reveal(),
            "sk-file");
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_FALSE(read_credential(source(KeySource::Kind::credential, "key"), variables_));
}

TEST_F(Credential, AVariableIsTakenOutOfTheEnvironmentAndKept) {
  ASSERT_EQ(::setenv("DROVER_TEST_KEY", "sk-env", 1), 0);
  auto const variable = source(KeySource::Kind::environment, "DROVER_TEST_KEY");
  EXPECT_FALSE(read_credential(variable, variables_)) << "it was not taken yet";
  EXPECT_EQ(variables_.take("DROVER_TEST_KEY").reveal(), "sk-env");
  EXPECT_EQ(std::getenv("DROVER_TEST_KEY"), nullptr);
  EXPECT_EQ(read_credential(variable, variables_)->reveal(), "sk-env");
  EXPECT_EQ(variables_.take("DROVER_TEST_KEY").reveal(), "sk-env") << "again";
}

TEST_F(Credential, AProgramPrintsIt) {
  EXPECT_EQ(read_credential(source(KeySource::Kind::command, "", {"/bin/sh", "-c", "echo sk-cmd"}),
                            variables_)
                ->reveal(),
            "sk-cmd");
  auto const failed = read_credential(
      source(KeySource::Kind::command, "", {"/bin/sh", "-c", "echo sk-secret; exit 3"}),
      variables_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text().find("sk-secret"), std::string::npos);
}

TEST_F(Credential, WhatCannotBeAKeyIsRefusedAndNotShown) {
  for (std::string_view const text : {"", "\n", "sk-secret and more", "sk-secret\nsk-other"}) {
    auto const path = file("bad", text);
    auto const key = read_credential(source(KeySource::Kind::file, path), variables_);
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().text().find("sk-secret"), std::string::npos);
  }
}

TEST_F(Credential, TheVariablesOfBeforeGoOnWithoutAFileAndBehindOne) {
  ASSERT_EQ(::setenv("ANTHROPIC_API_KEY", "sk-ant", 1), 0);
  auto set = read_upstream_set(folder_, {}, variables_, Variables::take);
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ((*set)->key_of("anthropic").reveal(), "sk-ant");
  EXPECT_EQ((*set)->find("openai"), nullptr) << "no key, no upstream";
  EXPECT_FALSE((*set)->config.default_model.empty());

  file("gateway.toml",
       "[upstreams.anthropic]\nkind = \"anthropic\"\n"
       "base_url = \"https://mine.example.com\"\nkey = { file = \"" +
           file("k", "sk-mine") + "\" }\n");
  file("prices.toml", "[models.\"claude-x\"]\ninput = 1\noutput = 2\n");
  set = read_upstream_set(folder_, {}, variables_, Variables::taken);
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ((*set)->key_of("anthropic").reveal(), "sk-mine") << "the file's own";
  EXPECT_EQ((*set)->prices.find("claude-x-2")->output, 2000);
  EXPECT_EQ((*set)->prices.find("claude-sonnet-4-5")->output, 15000) << "the table below it";
}

}  // namespace
}  // namespace drover::gateway
