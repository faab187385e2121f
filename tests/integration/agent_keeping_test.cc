// Agents as operators keep them: the real commands against the real server, one change after
// another, and what becomes of those that come too late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include <boost/json.hpp>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class KeptAgents : public ::testing::Test {
 protected:
  KeptAgents() { world_.serve(); }

  Outcome agents(std::vector<std::string> arguments, std::string const& input = "") const {
    arguments.insert(arguments.begin(), "agents");
    return world_.drover(std::move(arguments), input);
  }
  std::string write(std::string const& name, std::string const& text) const {
    std::string path = world_.root() + "/" + name;
    EXPECT_TRUE(os::make_folders(std::filesystem::path{path}.parent_path()));
    EXPECT_TRUE(os::write_file_atomic(path, text));
    return path;
  }
  // An editor that does what `script` says to the file "$1".
  void edits_with(std::string const& script) {
    std::string const path = write("editor.sh", "#!/bin/sh\nset -e\n" + script + "\n");
    ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
    world_.set_variable("EDITOR", path);
  }
  json::object agent(std::string const& name) {
    auto const reply = world_.api().get("/api/v1/agents/" + name);
    return reply.status == 200 ? reply.body.at("agent").as_object() : json::object{};
  }
  std::int64_t revision(std::string const& name) {
    return world_.api().get("/api/v1/agents/" + name).body.at("revision").as_int64();
  }
  std::vector<std::string> left_by_editors() const {
    std::vector<std::string> files;
    for (auto const& entry : std::filesystem::directory_iterator{temporary_})
      files.push_back(entry.path());
    return files;
  }
  void keep_temporary_files_apart() {
    temporary_ = world_.root() + "/tmp";
    ASSERT_TRUE(os::make_folders(temporary_));
    world_.set_variable("TMPDIR", temporary_);
  }

  World world_;
  std::string temporary_;
};

TEST_F(KeptAgents, MadeDisabledDeletedAndAllOfItWrittenDown) {
  auto const created =
      agents({"create", "watch", "--model", "anthropic/claude-sonnet-4-5", "--prompt-file", "-",
              "--tools", "Read,Grep", "--env", "TEAM=blue", "--resident", "--replicas", "2"},
             "You keep watch.\n");
  ASSERT_EQ(created.exit_code, 0) << created.text();
  EXPECT_EQ(created.out, "watch\n");
  EXPECT_EQ(json::serialize(agent("watch")),
            R"({"name":"watch","model":"anthropic/claude-sonnet-4-5","prompt":"You keep watch.\n",)"
            R"("tools":["Read","Grep"],"env":{"TEAM":"blue"},"resident":true,"replicas":2})");
  auto const again = agents({"create", "watch"});
  EXPECT_EQ(again.exit_code, 1) << again.text();
  EXPECT_THAT(again.err, HasSubstr("drover agents edit watch"));
  EXPECT_NE(agents({"create", "default"}).exit_code, 0) << "it is built in";

  EXPECT_EQ(agents({"disable", "watch"}).exit_code, 0);
  EXPECT_EQ(agent("watch").at("enabled"), json::value(false));
  EXPECT_THAT(agents({"disable", "watch"}).err, HasSubstr("already"));
  EXPECT_EQ(agents({"enable", "watch"}).exit_code, 0);
  EXPECT_FALSE(agent("watch").contains("enabled"));
  auto const set = agents({"edit", "watch", "--set", "limits.max_turns=20", "--unset", "tools"});
  EXPECT_EQ(set.exit_code, 0) << set.text();
  EXPECT_THAT(set.out, AllOf(HasSubstr("limits"), HasSubstr("tools")));
  auto const deleted = agents({"delete", "watch"});
  EXPECT_EQ(deleted.exit_code, 0) << deleted.text();
  EXPECT_THAT(deleted.err, AllOf(HasSubstr("volume stays"), HasSubstr("agents wipe watch")));

  auto const history = agents({"history", "watch", "--json"}).lines();
  std::vector<std::string> actions;
  for (json::object const& entry : history)
    actions.push_back(text_of(entry, "action"));
  EXPECT_THAT(actions,
              ::testing::ElementsAre("deleted", "changed", "enabled", "disabled", "created"));
  ASSERT_FALSE(history.empty());
  EXPECT_TRUE(text_of(history.front(), "actor").starts_with("user:"));
  auto const shown = world_.drover({"audit", "show", text_of(history.back(), "id")});
  EXPECT_THAT(shown.out, HasSubstr("You keep watch."));
  EXPECT_THAT(world_.drover({"audit", "--kind", "task_type"}).err, HasSubstr("nothing"));
  EXPECT_EQ(agents({"history", "watch", "--limit", "2", "--json"}).lines().size(), 2U);
}

TEST_F(KeptAgents, ApplyShowsWhatItChangesAndChangesIt) {
  write("fleet/one.toml", "name = \"one\"\nmodel = \"anthropic/a\"\n");
  write("fleet/many.toml", "[[agent]]\nname = \"two\"\n[[agent]]\nname = \"three\"\nwarm = 1\n");
  std::string const more = write("more.json", R"({"name": "four"})");
  std::vector<std::string> const apply = {"apply", "-f", world_.root() + "/fleet", more};
  auto const with = [&](std::vector<std::string> options) {
    auto arguments = apply;
    arguments.insert(arguments.end(), options.begin(), options.end());
    return agents(arguments);
  };
  auto const dry = with({"--dry-run"});
  EXPECT_EQ(dry.exit_code, 6) << dry.text();
  EXPECT_TRUE(agent("one").empty());
  auto const applied = with({});
  EXPECT_EQ(applied.exit_code, 0) << applied.text();
  EXPECT_EQ(applied.out, dry.out) << "what it showed is what it did";
  EXPECT_THAT(applied.out, AllOf(HasSubstr("+ one\n"), HasSubstr("\"anthropic/a\"")));
  EXPECT_THAT(applied.err, HasSubstr("added 4, changed 0, deleted 0, unchanged 0"));
  EXPECT_EQ(with({"--dry-run"}).exit_code, 0) << "there is nothing left to do";

  write("fleet/one.toml", "name = \"one\"\nmodel = \"anthropic/b\"\n");
  EXPECT_EQ(with({"--dry-run"}).exit_code, 6);
  auto const changed = with({"--json"}).lines();
  ASSERT_EQ(changed.size(), 4U);
  EXPECT_EQ(json::serialize(changed[1]),
            R"({"name":"one","outcome":"changed","revision":2,"changes":)"
            R"([{"member":"/model","before":"anthropic/a","after":"anthropic/b"}]})");
  EXPECT_EQ(text_of(changed[0], "outcome"), "unchanged");
  EXPECT_EQ(revision("four"), 1) << "nobody wrote it again";
}

TEST_F(KeptAgents, NothingIsAppliedWhereOneOfThemIsWrong) {
  std::string const good = write("good.toml", "name = \"good\"\n");
  std::string const bad = write("bad.toml", "name = \"bad\"\nwarm = \"much\"\n");
  std::string const worse = write("worse.json", R"({"name": "worse", "modle": "x"})");
  auto const mistakes = agents({"apply", "-f", good, bad, worse});
  EXPECT_EQ(mistakes.exit_code, 2) << mistakes.text();
  EXPECT_THAT(mistakes.err, AllOf(HasSubstr("bad.toml: /warm"), HasSubstr("worse.json: /modle")));
  std::string const twin = write("twin.json", R"([{"name": "other"}, {"name": "good"}])");
  auto const twins = agents({"apply", "-f", good, twin});
  EXPECT_EQ(twins.exit_code, 2) << twins.text();
  EXPECT_THAT(twins.err, AllOf(HasSubstr("good.toml and "), HasSubstr("twin.json, agent 2")));
  EXPECT_TRUE(agent("good").empty());
}

TEST_F(KeptAgents, PruneDeletesWhatTheApiStoredAndNothingElse) {
  world_.stop_server();
  write("state/agents/filed.toml", "name = \"filed\"\n");
  world_.serve();
  std::string const keep = write("keep.toml", "name = \"keep\"\n");
  std::string const drop = write("drop.toml", "name = \"drop\"\n");
  ASSERT_EQ(agents({"apply", "-f", keep, drop}).exit_code, 0);
  ASSERT_EQ(agents({"apply", "-f", keep}).exit_code, 0);
  EXPECT_FALSE(agent("drop").empty()) << "only where it is asked for";
  auto const unasked = agents({"apply", "-f", keep, "--prune"});
  EXPECT_EQ(unasked.exit_code, 2) << unasked.text();
  EXPECT_THAT(unasked.out, HasSubstr("- drop\n"));
  EXPECT_THAT(unasked.err, HasSubstr("--yes"));
  EXPECT_FALSE(agent("drop").empty());
  auto const dry = agents({"apply", "-f", keep, "--prune", "--dry-run"});
  EXPECT_EQ(dry.exit_code, 6) << dry.text();
  auto const pruned = agents({"apply", "-f", keep, "--prune", "--yes"});
  EXPECT_EQ(pruned.exit_code, 0) << pruned.text();
  EXPECT_THAT(pruned.err, HasSubstr("deleted 1"));
  EXPECT_TRUE(agent("drop").empty());
  for (char const* const name : {"keep", "filed", "default"})
    EXPECT_FALSE(agent(name).empty()) << name;
  std::string const filed = write("filed.toml", "name = \"filed\"\nwarm = 1\n");
  auto const refused = agents({"apply", "-f", filed});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_THAT(refused.err, HasSubstr("state/agents/filed.toml"));
}

// While the editor is open somebody else writes.
TEST_F(KeptAgents, AnEditThatComesTooLateIsRefusedAndKept) {
  keep_temporary_files_apart();
  ASSERT_EQ(agents({"create", "a", "--model", "anthropic/first"}).exit_code, 0);
  edits_with("sed -i s/first/late/ \"$1\"\nunset EDITOR\n" + World::drover_program() +
             " agents edit a --set warm=1 >&2");
  auto const late = agents({"edit", "a"});
  EXPECT_EQ(late.exit_code, 1) << late.text();
  EXPECT_THAT(late.err, HasSubstr("is at revision 2, not 1"));
  auto const kept = left_by_editors();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_THAT(late.err, HasSubstr(kept.front()));
  EXPECT_THAT(os::read_file(kept.front(), 10000).value_or(""), HasSubstr("anthropic/late"));
  EXPECT_EQ(text_of(agent("a"), "model"), "anthropic/first");
  EXPECT_EQ(agents({"apply", "-f", kept.front()}).exit_code, 0) << "it can still be had";
  EXPECT_EQ(text_of(agent("a"), "model"), "anthropic/late");
}

TEST_F(KeptAgents, AnEditorChangesWhatItIsGiven) {
  keep_temporary_files_apart();
  ASSERT_EQ(
      agents({"create", "a", "--model", "anthropic/first", "--prompt", "One.\nTwo.\n"}).exit_code,
      0);
  edits_with("cp \"$1\" " + world_.root() + "/seen.toml\nsed -i s/first/second/ \"$1\"");
  auto const edited = agents({"edit", "a"});
  EXPECT_EQ(edited.exit_code, 0) << edited.text();
  EXPECT_THAT(edited.out, AllOf(HasSubstr("anthropic/first"), HasSubstr("anthropic/second")));
  auto const seen = os::read_file(world_.root() + "/seen.toml", 10000).value_or("");
  EXPECT_THAT(seen, AllOf(HasSubstr("# The agent a (revision 1)"), HasSubstr("\nOne.\nTwo.\n")));
  EXPECT_EQ(text_of(agent("a"), "model"), "anthropic/second");
  EXPECT_EQ(text_of(agent("a"), "prompt"), "One.\nTwo.\n");
  EXPECT_TRUE(left_by_editors().empty());

  edits_with("true");
  EXPECT_THAT(agents({"edit", "a"}).err, HasSubstr("as it was"));
  EXPECT_EQ(revision("a"), 2);
  edits_with("exit 3");
  EXPECT_NE(agents({"edit", "a"}).exit_code, 0);
  EXPECT_TRUE(left_by_editors().empty()) << "nothing was written in it";
}

TEST_F(KeptAgents, WhatWasTypedOutlivesAMistake) {
  keep_temporary_files_apart();
  ASSERT_EQ(agents({"create", "a"}).exit_code, 0);
  edits_with("echo 'warm = \"much\"' >> \"$1\"");
  auto const wrong = agents({"edit", "a"});
  EXPECT_EQ(wrong.exit_code, 2) << wrong.text();
  EXPECT_THAT(wrong.err, HasSubstr("/warm"));
  auto const kept = left_by_editors();
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_THAT(wrong.err, HasSubstr(kept.front()));
  EXPECT_THAT(os::read_file(kept.front(), 10000).value_or(""), HasSubstr("warm = \"much\""));
  edits_with("sed -i 's/\"a\"/\"b\"/' \"$1\"");
  EXPECT_THAT(agents({"edit", "a"}).err, HasSubstr("a name does not change"));
  EXPECT_EQ(revision("a"), 1);
}

TEST_F(KeptAgents, AStaleWriteIsRefusedWithBothRevisions) {
  Api api = world_.api();
  auto const put = [&](std::string const& query, json::object const& body) {
    return api.put("/api/v1/agents/a" + query, body);
  };
  EXPECT_EQ(put("?revision=0&actor=user:ann", {{"name", "a"}}).status, 201);
  EXPECT_EQ(put("?revision=1", {{"name", "a"}, {"warm", 1}}).status, 200);
  auto const stale = put("?revision=1", {{"name", "a"}, {"warm", 2}});
  EXPECT_EQ(stale.status, 409);
  EXPECT_THAT(stale.error_text(), HasSubstr("at revision 2, not 1"));
  EXPECT_EQ(api.erase("/api/v1/agents/a?revision=1").status, 409);
  EXPECT_EQ(api.erase("/api/v1/agents/a?revision=2").status, 204);
  auto const anew = put("?revision=0", {{"name", "a"}});
  EXPECT_EQ(anew.status, 201);
  EXPECT_EQ(anew.body.at("revision").as_int64(), 3);
  EXPECT_EQ(put("?revision=2", {{"name", "a"}, {"warm", 3}}).status, 409)
      << "meant for the one that was deleted";
  EXPECT_EQ(put("?actor=ann", {{"name", "a"}}).status, 400);
  auto const audit = api.get("/api/v1/audit?kind=agent&name=a&limit=1");
  auto const& entry = audit.body.at("entries").as_array().at(0).as_object();
  EXPECT_EQ(text_of(entry, "actor"), "integration:api");
  auto const next = text_of(audit.body, "next");
  auto const rest = api.get("/api/v1/audit?kind=agent&name=a&before=" + next);
  EXPECT_EQ(rest.body.at("entries").as_array().size(), 3U);
  EXPECT_EQ(text_of(rest.body.at("entries").as_array().at(2).as_object(), "actor"), "user:ann");
  EXPECT_TRUE(rest.body.at("next").is_null());
  EXPECT_EQ(api.get("/api/v1/audit?kind=run").status, 400);
  EXPECT_EQ(api.get("/api/v1/audit/999").status, 404);
}

}  // namespace
}  // namespace drover::harness
