#pragma once
// A folder with processes and runs, and the commands on them: drover's, and the SDK's from npm.
// Throws std::runtime_error where a step of the set-up fails.
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "harness/program.h"
#include "harness/world.h"

namespace drover::harness {

class Flow {
 public:
  // Writes the process that the runs of this flow execute.
  explicit Flow(std::string const& source);

  [[nodiscard]] std::string const& root() const { return world_.root(); }
  [[nodiscard]] std::string entry() const { return root() + "/processes/flow.mjs"; }
  [[nodiscard]] std::string run_folder(std::string const& run) const {
    return root() + "/runs/" + run;
  }
  void rewrite(std::string const& source) const;

  // `drover WORDS…` with --runs-dir and --json.
  [[nodiscard]] Outcome drover(std::vector<std::string> words) const;
  [[nodiscard]] std::unique_ptr<Program> start(std::vector<std::string> words) const;
  // The SDK's command line, in the same way.
  [[nodiscard]] Outcome sdk(std::vector<std::string> words) const;
  [[nodiscard]] World& world() { return world_; }

  // drover's, each of which must succeed.
  void create(std::string const& run, std::string const& inputs = "{}") const;
  // The JSON of run:iterate, and of its pending effects one by label.
  [[nodiscard]] json::object iterate(std::string const& run) const;
  void post(std::string const& run, std::string const& effect_id, std::string const& value) const;
  // Iterates and posts `value` to everything that waits, until the run has ended.
  [[nodiscard]] json::object finish(std::string const& run, std::string const& value = "1") const;
  [[nodiscard]] json::value output(std::string const& run) const;
  [[nodiscard]] std::vector<std::string> journal_types(std::string const& run) const;

 private:
  World world_;
};

// What a program printed, as JSON; throws with all that it said.
[[nodiscard]] json::object printed(Outcome const& outcome);
// Of an iterate's JSON: the ids of what it waits for, and the one with this label.
[[nodiscard]] std::vector<std::string> pending(json::object const& iterated);
[[nodiscard]] std::string pending(json::object const& iterated, std::string_view label);

}  // namespace drover::harness
