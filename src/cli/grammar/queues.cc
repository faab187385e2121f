#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kQueuesExamples = R"(Examples:
  drover queues
  drover queues pause                   all: what runs goes on; nothing new starts
  drover queues resume type:background-agent
  drover queues limits > limits.json    # edit it
  drover queues limits -f limits.json   holds at once)";

constexpr std::string_view kDeadLettersExamples = R"(Examples:
  drover dead-letters
  drover dead-letters replay run-01kx    as a new run of the same session
  drover dead-letters discard run-01kx)";

Result<Command> make_queue_change(QueueChange change, Raw const& raw) {
  return QueueChangeCommand{change, raw.target.empty() ? "all" : raw.target};
}

Result<Command> make_dead_letters(Raw const& raw) {
  auto const limit = count_of("--limit", raw.limit, 50);
  if (!limit) return std::unexpected(limit.error());
  return DeadLettersCommand{*limit, format_of(raw)};
}

Result<Command> make_dead_letter_end(DeadLetterEnd end, Raw const& raw) {
  DeadLetterEndCommand command{end, {}, format_of(raw)};
  for (std::string const& text : raw.runs) {
    auto run = RunId::parse(text);
    if (!run) return std::unexpected(run.error());
    command.runs.push_back(*std::move(run));
  }
  return command;
}

}  // namespace

void add_queues(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto const list = [](Raw const& raw) { return Result<Command>{QueuesCommand{format_of(raw)}}; };
  auto* const queues =
      grammar.add(grammar.app, "queues", "Shows what waits; pauses and resumes.", list);
  grammar.json(queues);
  queues->require_subcommand(0, 1);
  grammar.json(
      grammar.add(*queues, "list", "Shows what waits, by pool, task type and tenant.", list));
  auto* const limits = grammar.add(*queues, "limits", "Shows or sets what may work at once.",
                                   [](Raw const& raw) -> Result<Command> {
                                     return QueueLimitsCommand{raw.file, format_of(raw)};
                                   });
  limits->add_option("-f,--file", into.file, "set these, in TOML or JSON; - is JSON from stdin")
      ->type_name("FILE");
  grammar.json(limits);
  for (auto const& [name, what, change] :
       {std::tuple{"pause", "Gives out no more work; what runs goes on.", QueueChange::pause},
        {"resume", "Gives out work again.", QueueChange::resume}}) {
    auto* const one = grammar.add(
        *queues, name, what, [change](Raw const& raw) { return make_queue_change(change, raw); });
    one->add_option("queue", into.target, "all (default), pool:NAME or type:NAME")->type_name("");
  }
  queues->footer(std::string{kQueuesExamples});

  auto* const letters =
      grammar.add(grammar.app, "dead-letters",
                  "Lists, replays or discards the runs that the queue gave up.", make_dead_letters);
  letters->add_option("--limit", into.limit, "at most so many (default 50)")->type_name("N");
  grammar.json(letters);
  letters->require_subcommand(0, 1);
  auto* const listed =
      grammar.add(*letters, "list", "Lists them, the last first.", make_dead_letters);
  listed->add_option("--limit", into.limit, "at most so many (default 50)")->type_name("N");
  grammar.json(listed);
  for (auto const& [name, what, end] :
       {std::tuple{"replay", "Dispatches each as a new run.", DeadLetterEnd::replay},
        {"discard", "Forgets them.", DeadLetterEnd::discard}}) {
    auto* const one = grammar.add(*letters, name, what,
                                  [end](Raw const& raw) { return make_dead_letter_end(end, raw); });
    one->add_option("runs", into.runs, "the runs")->type_name("")->required();
    grammar.json(one);
  }
  letters->footer(std::string{kDeadLettersExamples});
}

}  // namespace drover::cli
