// A6: what a repository can make a git program run. The host commits every change of an agent, and
// runs nothing of the repository's.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <stdexcept>

#include <boost/json.hpp>

#include "attacks/row.h"
#include "harness/world.h"

namespace drover::attacks {
namespace {

using harness::Api;
using harness::Repository;
using harness::World;

constexpr std::string_view kWrite = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command":
     "echo more >> README.md && echo new > new.txt && mkdir -p deep && echo x > deep/x.txt"}}]},
  {"expect": {"tool_results": [{"is_error": false}]}, "text": "Done."}])";

// A program that leaves a mark when anybody runs it. Inside a sandbox it does not exist.
struct Payload {
  std::string program;
  std::string mark;
  [[nodiscard]] bool ran() const { return std::filesystem::exists(mark); }
};

Payload make_payload(World const& world, std::string const& name) {
  Payload payload{world.root() + "/payload-" + name, world.root() + "/ran-" + name};
  Repository const root{world.root(), world.environment()};
  root.write("payload-" + name, "#!/bin/sh\n: > " + payload.mark + "\nexit 0\n");
  ::chmod(payload.program.c_str(), 0755);
  return payload;
}

struct Vector {
  std::string name;
  std::function<void(Repository const&, Payload const&)> plant;
  bool fires = true;  // under plain git, with what plain_git() does
};

void attributes(Repository const& repository, std::string const& text) {
  repository.write(".gitattributes", text);
  repository.commit_all("attributes");
}

void hook(Repository const& repository, Payload const& payload, std::string const& folder) {
  for (std::string const name :
       {"pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout",
        "post-index-change", "reference-transaction", "pre-auto-gc", "post-merge"}) {
    std::filesystem::create_directories(repository.file(folder));
    repository.write(folder + "/" + name, "#!/bin/sh\n" + payload.program + "\n");
    ::chmod(repository.file(folder + "/" + name).c_str(), 0755);
  }
}

std::vector<Vector> const& vectors() {
  auto const config = [](std::string const& key, std::string const& more = "") {
    return [key, more](Repository const& repository, Payload const& payload) {
      repository.git({"config", key, payload.program + more});
    };
  };
  static std::vector<Vector> const all = {
      {"fsmonitor", config("core.fsmonitor")},
      {"include",
       [](Repository const& repository, Payload const& payload) {
         repository.write("included", "[core]\n\tfsmonitor = " + payload.program + "\n");
         repository.commit_all("included");
         repository.git({"config", "include.path", "../included"});
       }},
      {"worktree-config",
       [](Repository const& repository, Payload const& payload) {
         repository.git({"config", "extensions.worktreeConfig", "true"});
         repository.git({"config", "--worktree", "core.fsmonitor", payload.program});
       }},
      {"hooks", [](Repository const& repository,
                   Payload const& payload) { hook(repository, payload, ".git/hooks"); }},
      {"hooks-path",
       [](Repository const& repository, Payload const& payload) {
         hook(repository, payload, "my-hooks");
         repository.commit_all("hooks");
         repository.git({"config", "core.hooksPath", repository.file("my-hooks")});
       }},
      {"gpg",
       [](Repository const& repository, Payload const& payload) {
         repository.git({"config", "gpg.program", payload.program});
         repository.git({"config", "commit.gpgsign", "true"});
       }},
      {"diff-external", config("diff.external")},
      {"filter-clean",
       [](Repository const& repository, Payload const& payload) {
         attributes(repository, "*.txt filter=evil\n");
         repository.git({"config", "filter.evil.clean", payload.program + "; cat"});
         repository.git({"config", "filter.evil.smudge", payload.program + "; cat"});
       }},
      {"filter-process",
       [](Repository const& repository, Payload const& payload) {
         attributes(repository, "*.txt filter=evil\n");
         repository.git({"config", "filter.evil.process", payload.program});
       }},
      {"info-attributes",
       [](Repository const& repository, Payload const& payload) {
         repository.write(".git/info/attributes", "*.txt filter=evil\n");
         repository.git({"config", "filter.evil.clean", payload.program + "; cat"});
       }},
      {"textconv",
       [](Repository const& repository, Payload const& payload) {
         attributes(repository, "* diff=evil\n");
         repository.git({"config", "diff.evil.textconv", payload.program});
       }},
      {"diff-command",
       [](Repository const& repository, Payload const& payload) {
         attributes(repository, "* diff=evil\n");
         repository.git({"config", "diff.evil.command", payload.program});
       }},
      {"editor", config("core.editor"), false},
      {"pager", config("core.pager"), false},
      {"ssh", config("core.sshCommand"), false},
      {"askpass", config("core.askPass"), false},
      {"credential", config("credential.helper"), false},
      {"pack-objects", config("uploadpack.packObjectsHook"), false},
      {"alternate-refs", config("core.alternateRefsCommand"), false},
      {"recent-objects", config("gc.recentObjectsHook"), false},
  };
  return all;
}

// What people do, and what a careless server would.
void plain_git(Repository const& repository) {
  repository.write("by-hand.txt", "by hand\n");
  repository.write("README.md", "changed by hand\n");
  for (std::vector<std::string> const& command :
       std::vector<std::vector<std::string>>{{"status"},
                                             {"diff"},
                                             {"add", "-A"},
                                             {"diff", "--cached"},
                                             {"commit", "-q", "-m", "by hand"}})
    try {
      (void)repository.git(command);
    } catch (std::runtime_error const&) {
      // A payload that git finds fault with has run all the same.
    }
}

// "succeeded" with a commit, or failed with a reason: nothing between.
std::string end_of(Api& api, harness::RunRef const& run) {
  auto const end = harness::last_of(api.events(run), "turn-complete");
  auto const state = harness::text_of(end, "state");
  if (state == "succeeded") return "committed";
  auto const reason = harness::text_of(end, "reason");
  return reason.empty() ? state : "refused: " + reason;
}

TEST(Git, A6NothingOfARepositoryRunsOnTheHost) {
  Row row{"A6", "process", "20 ways of a repository to run a program, in place and linked"};
  World world;
  world.serve();
  Api api = world.api();
  std::string const model = world.model(kWrite);
  int fired = 0;
  for (auto const& vector : vectors()) {
    auto const repository = world.repository(vector.name);
    auto const payload = make_payload(world, vector.name);
    vector.plant(repository, payload);
    std::filesystem::remove(payload.mark);  // what planting itself set off
    auto const workspace = api.add_workspace(repository.path());
    for (std::string const checkout : {"in_place", "worktree"}) {
      auto const run = api.dispatch(World::invocation(workspace, model, "go", checkout));
      row.expect(vector.name + " " + checkout, end_of(api, run), {"committed"});
      if (checkout == "worktree") (void)world.drover({"land", run.session});
    }
    row.holds("nothing ran on the host", !payload.ran(), vector.name);
    if (!vector.fires) continue;
    plain_git(repository);
    fired += payload.ran() ? 1 : 0;
    row.control("plain git runs it", payload.ran(), vector.name);
  }
  row.outcome(fmt::format("{} run under plain git", fired));
}

TEST(Git, A6AMergeRunsNoDriver) {
  Row row{"A6", "process", "a merge driver, when a session's branch lands"};
  World world;
  world.serve();
  Api api = world.api();
  auto const repository = world.repository("merge");
  auto const payload = make_payload(world, "merge");
  attributes(repository, "* merge=evil\n");
  repository.git({"config", "merge.evil.driver", payload.program});
  auto const workspace = api.add_workspace(repository.path());
  auto const run =
      api.dispatch(World::invocation(workspace, world.model(kWrite), "go", "worktree"));
  row.expect("the run", end_of(api, run), {"committed"});
  repository.write("README.md", "another line\na project\n");
  repository.commit_all("meanwhile");
  auto const landed = world.drover({"land", run.session});
  row.holds("nothing ran on the host", !payload.ran(), landed.text());
  row.outcome(landed.exit_code == 0 ? "merged without the driver" : "refused");
  if (landed.exit_code == 0) repository.git({"reset", "-q", "--hard", "HEAD~1"});
  try {
    repository.git({"merge", "-q", "-m", "by hand", "drover/" + run.session});
  } catch (std::runtime_error const&) {
    // The driver merged nothing.
  }
  row.control("plain git runs it", payload.ran());
}

// What the agent itself can leave: it cannot write .git, so it brings repositories of its own.
TEST(Git, A6WhatAnAgentPlantsIsCommittedAsFilesOrLeftOut) {
  Row row{"A6", "process", "nested repository, gitlink, hard link, FIFO, odd names"};
  World world;
  auto const repository = world.repository("planted");
  auto const payload = make_payload(world, "planted");
  std::string const command = fmt::format(
      "echo kept > kept.txt; "
      "git init -q nested && cd nested && git config user.name a && git config user.email a@b && "
      "echo n > n && git add n && git commit -qm n && git config core.fsmonitor {0} && "
      "mkdir -p .git/hooks && printf '#!/bin/sh\\n{0}\\n' > .git/hooks/post-index-change && "
      "chmod +x .git/hooks/post-index-change; cd ..; "
      "printf '[submodule \\\"nested\\\"]\\n\\tpath = nested\\n\\turl = ext::{0}\\n' > "
      ".gitmodules; "
      "mkdir -p fake/.git/hooks && printf '[core]\\n\\tfsmonitor = {0}\\n' > fake/.git/config; "
      "echo 'gitdir: ../nested/.git' > redirect.git; mkdir r && echo 'gitdir: ../fake/.git' > "
      "r/.git; "
      "ln -s /etc/shadow shadow; ln -s ../../../../etc up; mkfifo fifo; "
      "echo secret > one && ln one two; "
      "printf x > \\\"$(printf 'new\\\\nline')\\\"; printf x > ./-rf; "
      "echo config >> .git/config; rm -rf .git; ls -d .git",
      payload.program);
  auto const model = world.model(fmt::format(
      R"([{{"tool_calls": [{{"name": "Bash", "input": {{"command": "{}"}}}}]}}, {{"text": "Done."}}])",
      command));
  world.serve();
  Api api = world.api();
  auto const run =
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  row.expect("the run", end_of(api, run), {"committed"});
  row.holds("nothing ran on the host", !payload.ran());
  auto const listing = repository.git({"ls-tree", "-r", "HEAD"});
  row.holds("no gitlink is recorded", !listing.contains("160000"), listing);
  row.holds("a link stays a link", !listing.contains("shadow") || listing.contains("120000"),
            listing);
  row.holds("the repository's own settings are as they were",
            !repository.read(".git/config").contains("config\n"));
  // What the user does next with git runs nothing either.
  (void)repository.git({"status"});
  (void)repository.git({"log", "-p", "-1"});
  row.holds("nor under the user's own git", !payload.ran());
  row.control("the plain file is committed", listing.contains("kept.txt"), listing);
  Repository const nested{repository.file("nested"), world.environment()};
  if (repository.has("nested/.git/config")) {
    (void)nested.git({"status"});
    row.control("the trap was armed", payload.ran());
  }
}

TEST(Git, A10AHugeFileIsRefusedWithAReasonAndTheServerGoesOn) {
  Row row{"A10", "process",
          "a sparse file of 5 GB, 5000 files, a tree 900 deep, to be committed"};
  World world;
  world.serve();
  Api api = world.api();
  auto const commits = [&](std::string const& name, std::string const& command) {
    auto const repository = world.repository(name);
    auto const model = world.model(fmt::format(
        R"([{{"tool_calls": [{{"name": "Bash", "input": {{"command": "{}"}}}}]}}, {{"text": "Done."}}])",
        command));
    return end_of(
        api, api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go")));
  };
  row.expect("the sparse file", commits("sparse", "truncate -s 5G huge"),
             {"refused: commit_failed"});
  row.expect("the files", commits("many", "seq 5000 | xargs touch"),
             {"committed", "refused: commit_failed"});
  row.expect("the tree", commits("deep", "d=$(yes d | head -900 | tr '\\n' /); mkdir -p $d; echo x > $d/x"),
             {"committed", "refused: commit_failed"});
  row.control("an ordinary change is committed after them",
              commits("plain", "echo x > x") == "committed");
}

}  // namespace
}  // namespace drover::attacks
