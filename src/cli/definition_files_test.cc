#include "cli/definition_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "os/files.h"
#include "store/scratch.h"

namespace drover::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> places(ReadDefinitions const& read) {
  std::vector<std::string> lines;
  for (WantedDefinition const& one : read.wanted)
    lines.push_back(one.name + ": " + one.place);
  for (Error const& mistake : read.mistakes)
    lines.push_back(mistake.message);
  return lines;
}

std::vector<std::string> read(std::string_view name, std::string_view text,
                              Definition kind = Definition::agent) {
  ReadDefinitions into;
  read_definitions(kind, name, text, into);
  return places(into);
}

TEST(DefinitionFiles, OneInAFileOrMany) {
  EXPECT_THAT(read("a.toml", "name = \"a\"\nmodel = \"m\"\n"), ElementsAre("a: a.toml"));
  EXPECT_THAT(read("a.toml", "[[agent]]\nname = \"a\"\n[[agent]]\nname = \"b\"\n"),
              ElementsAre("a: a.toml, agent 1", "b: a.toml, agent 2"));
  EXPECT_THAT(read("a.json", R"([{"name": "a"}, {"name": "b"}])"),
              ElementsAre("a: a.json, agent 1", "b: a.json, agent 2"));
  EXPECT_THAT(read("t.toml", "[[task_type]]\nname = \"t\"\n", Definition::task_type),
              ElementsAre("t: t.toml, task type 1"));
}

TEST(DefinitionFiles, EachMistakeIsToldAtItsPlace) {
  auto const lines = read("a.toml",
                          "[[agent]]\nname = \"a\"\nmax = 1\n[[agent]]\nname = \"b\"\n"
                          "[[agent]]\nname = \"C\"\n");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "b: a.toml, agent 2");
  EXPECT_THAT(lines[1], HasSubstr("a.toml, agent 1: /max"));
  EXPECT_THAT(lines[2], HasSubstr("a.toml, agent 3: /name"));
  EXPECT_THAT(read("a.toml", "name = \n"), ElementsAre(HasSubstr("a.toml: line 1")));
  EXPECT_THAT(read("a.ini", "name"), ElementsAre(HasSubstr("a.ini")));
}

TEST(DefinitionFiles, WhatSaysWhatIsUsualIsTheSameAsWhatDoesNot) {
  ReadDefinitions into;
  read_definitions(Definition::agent, "a.json",
                   R"([{"name": "a", "enabled": true, "replicas": 1, "env": {}}])", into);
  ASSERT_EQ(into.wanted.size(), 1U);
  EXPECT_EQ(json::serialize(into.wanted[0].spec), R"({"name":"a"})");
}

TEST(DefinitionFiles, FoldersHaveTheirFilesRead) {
  store::Scratch const scratch;
  std::string const folder = scratch.path("agents");
  ASSERT_TRUE(os::make_folders(folder + "/below"));
  ASSERT_TRUE(os::make_folders(scratch.path("empty")));
  for (auto const& [name, text] :
       {std::pair{"/b.json", R"({"name": "b"})"}, std::pair{"/a.toml", "name = \"a\""},
        std::pair{"/notes.txt", "none"}, std::pair{"/below/c.toml", "name = \"c\""}})
    ASSERT_TRUE(os::write_file_atomic(folder + name, text));
  EXPECT_THAT(places(read_definition_paths(Definition::agent, {folder, folder + "/below/c.toml"})),
              ElementsAre("a: " + folder + "/a.toml", "b: " + folder + "/b.json",
                          "c: " + folder + "/below/c.toml"));
  auto const wrong = read_definition_paths(Definition::agent,
                                           {scratch.path("empty"), scratch.path("missing.toml")});
  EXPECT_TRUE(wrong.wanted.empty());
  ASSERT_EQ(wrong.mistakes.size(), 2U);
  EXPECT_THAT(wrong.mistakes[0].message, HasSubstr("holds no agent"));
  EXPECT_THAT(wrong.mistakes[1].message, HasSubstr("missing.toml"));
}

}  // namespace
}  // namespace drover::cli
