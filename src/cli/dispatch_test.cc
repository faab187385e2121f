#include "cli/dispatch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "contract/invocation.h"
#include "os/fd.h"

namespace drover::cli {
namespace {

// Longer than a pipe holds, so it comes from a file.
Result<std::string> prompt_from_stdin(std::string const& text) {
  std::string name = testing::TempDir() + "/prompt.XXXXXX";
  os::Fd const fd{::mkstemp(name.data())};
  ::unlink(name.c_str());
  EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::lseek(fd.get(), 0, SEEK_SET);
  return read_prompt("-", fd.get());
}

TEST(Dispatch, PromptsAreBoundedWellFormedAndNotEmpty) {
  EXPECT_EQ(*read_prompt("do it", -1), "do it");
  EXPECT_EQ(*prompt_from_stdin("from stdin\n"), "from stdin\n");
  EXPECT_EQ(prompt_from_stdin(std::string(kPromptBytesMax, 'x'))->size(), kPromptBytesMax);

  auto const large = prompt_from_stdin(std::string(kPromptBytesMax + 1, 'x'));
  ASSERT_FALSE(large);
  EXPECT_EQ(exit_code(large.error().code), 2);
  EXPECT_TRUE(large.error().message.contains("10485760"));

  for (char const* const text : {"", " \n\t"}) {
    EXPECT_EQ(read_prompt(text, -1).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(prompt_from_stdin(text).error().code, ErrorCode::invalid_argument);
  }
}

TEST(Dispatch, IllFormedTextNamesWhereItIs) {
  auto const bad = prompt_from_stdin("gut: \xc3\xbc, schlecht: \xff!");
  ASSERT_FALSE(bad);
  EXPECT_EQ(exit_code(bad.error().code), 2);
  EXPECT_EQ(bad.error().message, "the prompt is not valid UTF-8 near byte 19");
}

TEST(Dispatch, APayloadIsJsonHereOrInAFile) {
  EXPECT_EQ(*read_payload(R"({"base": "main"})"), R"({"base": "main"})");
  std::string const file = testing::TempDir() + "/payload.json";
  std::ofstream{file} << "[1, 2]";
  EXPECT_EQ(*read_payload("@" + file), "[1, 2]");
  for (std::string const& bad : {std::string{"base: main"}, "@" + file + ".none"}) {
    auto const refused = read_payload(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(exit_code(refused.error().code), 2);
    EXPECT_TRUE(refused.error().message.contains("--payload")) << refused.error().message;
  }
}

TEST(Dispatch, AScriptedModelGetsAnAbsolutePath) {
  std::string const folder = testing::TempDir() + "/dispatch_models";
  std::filesystem::create_directories(folder);
  std::ofstream{folder + "/m.json"} << "{}";
  auto const path = resolve_model("scripted:" + folder + "/../dispatch_models/m.json");
  ASSERT_TRUE(path);
  EXPECT_EQ(*path, "scripted:" + std::filesystem::canonical(folder).string() + "/m.json");
  EXPECT_EQ(*resolve_model("anthropic/x"), "anthropic/x");
  EXPECT_EQ(*resolve_model(""), "");
  for (std::string const& wrong :
       {std::string{"scripted:"}, "scripted:" + folder, "scripted:" + folder + "/none.json"}) {
    auto const refused = resolve_model(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(exit_code(refused.error().code), 2);
  }
  std::filesystem::remove_all(folder);
}

TEST(Dispatch, TheInvocationIsUnitV1) {
  RunCommand command;
  command.prompt = "do it";
  EXPECT_EQ(json::value(make_invocation(command, {{WorkspaceId::trusted("app")}}, "ann")),
            json::parse(R"({"identity":{"subject":"ann","launcher":"user:ann"},"runner":"native",
              "workspaces":[{"id":"app","mode":"rw"}],"trigger":"message",
              "start":{"entrypoint":{"inline":"do it"}}})"));

  command.session = "ses-1";
  command.agent = "dev";
  command.runner = "command:reviewer";
  command.model = "m";
  command.max_turns = 3;
  command.max_budget_usd = 0.5;
  command.timeout = Millis{1'001};
  command.task_type = "pr-review";
  command.payload = R"({"base": "main"})";
  command.queue.priority = 10;
  command.queue.delay = Millis{1'500};
  command.queue.tenant = "team-a";
  command.queue.keys = {{"github", 4}};
  command.queue.dedup_key = "pr:1";
  command.queue.dedup_life = std::chrono::hours{1};
  auto const full =
      make_invocation(command,
                      {{WorkspaceId::trusted("a"), Access::read_only, Checkout::in_place},
                       {WorkspaceId::trusted("b"), Access::read_write, Checkout::worktree},
                       {WorkspaceId::trusted("c"), Access::read_write, Checkout::allow_dirty}},
                      "ann");
  // The server reads it with these very rules.
  auto const parsed = contract::parse_invocation(json::serialize(full));
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->runner, "command:reviewer");
  EXPECT_EQ(full.at("workspaces"),
            json::parse(R"([{"id":"a","mode":"ro"},{"id":"b","mode":"rw","checkout":"worktree"},
                            {"id":"c","mode":"rw","checkout":"allow_dirty"}])"));
  EXPECT_EQ(full.at("limits"),
            json::parse(R"({"max_turns":3,"max_budget_usd":0.5,"timeout_s":2})"));
  EXPECT_EQ(parsed->priority, 10);
  EXPECT_EQ(parsed->delay, std::chrono::seconds{2});
  EXPECT_EQ(parsed->tenant, "team-a");
  EXPECT_EQ(parsed->concurrency.at(0).max, 4);
  EXPECT_EQ(parsed->dedup->life, std::chrono::hours{1});
  EXPECT_EQ(full.at("payload"), json::parse(R"({"base": "main"})"));
  EXPECT_EQ(full.at("session"), "ses-1");
  EXPECT_EQ(full.at("agent"), "dev");
  EXPECT_EQ(full.at("model"), "m");
}

TEST(Dispatch, AMessageSaysOnlyWhatWasGiven) {
  SendCommand command;
  command.prompt = "more";
  EXPECT_EQ(json::serialize(make_message(command)), R"({"prompt":"more"})");
  command.model = "m";
  command.max_turns = 2;
  EXPECT_EQ(json::serialize(make_message(command)),
            R"({"prompt":"more","model":"m","limits":{"max_turns":2}})");
}

}  // namespace
}  // namespace drover::cli
