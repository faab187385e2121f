#pragma once
// What each command takes and what it makes of it, said to CLI11: a function for each group of
// commands. command_line.cc parses with it.
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/command_line.h"

namespace drover::cli {

// What the options leave behind; each subcommand binds the members it has.
struct Raw {
  std::string server, prompt, session, model, agent, key, max_turns, budget, timeout, target, state,
      limit, after, folder, id, strategy, script,
      host = "127.0.0.1", port, file, cron, timezone, at, event, misfire, overlap, jitter, count,
      broker, task_type, definition, payload, priority, delay, tenant, dedup, token, mode, slots,
      lease, drain, runner, comment, backend, callback, idle, lifetime, by, since, runs_dir, entry,
      process_id, inputs, effect, value, error, reason, type, prompt_file, image, description,
      replicas, kind;
  std::vector<std::string> workspaces, runs, keys, pools, task_types, labels, environment, paths,
      tools, mounts, sets, unsets, words;
  bool detach = false, json = false, read_only = false, read_write = false, worktree = false,
       allow_dirty = false, init = false, no_diff = false, follow = false, foreground = false,
       force = false, paused = false, verify = false, replace = false, no_worker = false,
       assigned = false, propose = false, all = false, profile = false, pending = false,
       dry_run = false, outside = false, prune = false, yes = false, resident = false,
       no_sandbox = false;
};

inline Format format_of(Raw const& raw) {
  return raw.json ? Format::json : Format::text;
}
inline ShowDiff show_diff_of(Raw const& raw) {
  return raw.no_diff ? ShowDiff::no : ShowDiff::yes;
}
inline Init init_of(Raw const& raw) {
  return raw.init ? Init::if_needed : Init::never;
}

struct Grammar {
  using Make = std::function<Result<Command>(Raw const&)>;
  struct Sub {
    CLI::App* app;
    Make make;
  };
  static constexpr std::size_t kHelpColumn = 26;

  CLI::App* add(CLI::App& parent, std::string const& name, std::string const& what, Make make) {
    CLI::App* const sub = parent.add_subcommand(name, what);
    sub->set_help_flag("-h,--help", "print this help");
    sub->get_formatter()->column_width(kHelpColumn);
    sub->get_formatter()->label("REQUIRED", "");
    sub->add_option("--server", raw.server, "use this server")->type_name("URL");
    subs.push_back({sub, std::move(make)});
    return sub;
  }
  void json(CLI::App* sub, std::string const& what = "one JSON object a line") {
    sub->add_flag("--json", raw.json, what);
  }

  CLI::App app{"drover", "drover"};
  Raw raw;
  std::vector<Sub> subs;
};

// run, send
void add_work(Grammar& grammar);
// ps, attach, logs, events, diff, cancel
void add_reading(Grammar& grammar);
// sessions, land, workspaces
void add_sessions(Grammar& grammar);
void add_task_types(Grammar& grammar);
void add_agents(Grammar& grammar);
void add_audit(Grammar& grammar);
void add_approvals(Grammar& grammar);
// queues, dead-letters
void add_queues(Grammar& grammar);
void add_schedules(Grammar& grammar);
// workflow …
void add_workflow(Grammar& grammar);
void add_workloads(Grammar& grammar);
// gateway, budgets, spend
void add_gateway(Grammar& grammar);
// up, dashboard, down, serve, worker, doctor, backup, restore, model serve, version
void add_server(Grammar& grammar);

}  // namespace drover::cli
