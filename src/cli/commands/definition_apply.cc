#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/definition_client.h"
#include "cli/definition_files.h"
#include "cli/definition_plan.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "cli/question.h"

namespace drover::cli {

namespace {

class Apply {
 public:
  Apply(Context const& context, DefinitionApplyCommand const& command, ApiClient& client)
      : context_(context), command_(command), client_(client) {}

  int run(std::vector<WantedDefinition> wanted);

 private:
  enum class Consent : std::uint8_t { given, refused, needed };
  [[nodiscard]] Consent consent() const;
  void show() const;
  [[nodiscard]] int dry_run() const;
  // Prints what came of it, or reports why nothing did.
  void carry_out(PlannedChange const& change);
  [[nodiscard]] Result<std::int64_t> write(PlannedChange const& change);
  void print_json(PlannedChange const& change, std::optional<std::int64_t> revision) const;
  void print_refusal(PlannedChange const& change, Error const& error) const;
  [[nodiscard]] int finish() const;

  Context const& context_;
  DefinitionApplyCommand const& command_;
  ApiClient& client_;
  std::vector<PlannedChange> plan_;
  std::size_t refused_ = 0;
  int exit_ = kExitOk;
};

int Apply::run(std::vector<WantedDefinition> wanted) {
  auto const present = fetch_definitions(client_, command_.kind);
  if (!present) return report(context_, present.error());
  auto plan = plan_apply(command_.kind, std::move(wanted), *present,
                         command_.prune ? Prune::yes : Prune::no);
  if (!plan) return report(context_, plan.error());
  plan_ = *std::move(plan);
  if (command_.format == Format::text) show();
  if (command_.dry_run) return dry_run();
  switch (consent()) {
    case Consent::given:
      break;
    case Consent::refused:
      context_.screen.note("drover: nothing was changed");
      return kExitFailed;
    case Consent::needed:
      return report(
          context_,
          Error{ErrorCode::invalid_argument,
                fmt::format("{} would be deleted, and there is nobody to ask",
                            counted(static_cast<std::int64_t>(count_of(plan_, PlannedAct::remove)),
                                    words_of(command_.kind).noun)),
                "look at it with --dry-run, and say --yes"});
  }
  for (PlannedChange const& change : plan_)
    carry_out(change);
  return finish();
}

Apply::Consent Apply::consent() const {
  if (command_.yes || changes_nothing(plan_)) return Consent::given;
  if (command_.format == Format::text && can_ask(context_.screen))
    return ask(context_.screen, "Write this?", Answer::no) == Answer::yes ? Consent::given
                                                                          : Consent::refused;
  return count_of(plan_, PlannedAct::remove) == 0 ? Consent::given : Consent::needed;
}

void Apply::show() const {
  for (PlannedChange const& change : plan_)
    context_.screen.print(render_planned(change, context_.screen.out_style()));
}

int Apply::dry_run() const {
  if (command_.format == Format::json)
    for (PlannedChange const& change : plan_)
      print_json(change, std::nullopt);
  context_.screen.note(
      fmt::format("drover: would be added {}, changed {}, deleted {}; unchanged {}",
                  count_of(plan_, PlannedAct::add), count_of(plan_, PlannedAct::change),
                  count_of(plan_, PlannedAct::remove), count_of(plan_, PlannedAct::keep)));
  return changes_nothing(plan_) ? kExitOk : kExitWouldChange;
}

Result<std::int64_t> Apply::write(PlannedChange const& change) {
  if (change.act == PlannedAct::keep) return change.revision;
  if (change.act == PlannedAct::remove) {
    DROVER_TRY(remove_definition(context_, client_, command_.kind, change.name, change.revision));
    return change.revision;
  }
  auto const put = put_definition(context_, client_, command_.kind, change.spec, change.revision);
  if (!put) return std::unexpected(put.error());
  return integer_or(*put, "revision", 0);
}

void Apply::carry_out(PlannedChange const& change) {
  auto const revision = write(change);
  if (!revision) {
    ++refused_;
    exit_ = report(context_, revision.error());
    if (command_.format == Format::json) print_refusal(change, revision.error());
    return;
  }
  if (command_.format == Format::json) print_json(change, *revision);
  if (change.act == PlannedAct::remove && command_.kind == Definition::agent)
    note_volume(context_, change.name, change.spec);
}

void Apply::print_json(PlannedChange const& change, std::optional<std::int64_t> revision) const {
  json::object line{{"name", json::string{change.name}},
                    {"outcome", word_of(change.act)},
                    {"revision", nullptr},
                    {"changes", to_json(change.changes)}};
  if (revision) line["revision"] = *revision;
  if (command_.dry_run) line["dry_run"] = true;
  Screen& screen = context_.screen;
  screen.print(json_object_line(line, screen.out_style()));
}

void Apply::print_refusal(PlannedChange const& change, Error const& error) const {
  json::object const line{
      {"name", json::string{change.name}},
      {"outcome", "refused"},
      {"error", {{"code", to_string(error.code)}, {"message", json::string{error.message}}}}};
  Screen& screen = context_.screen;
  screen.print(json_object_line(line, screen.out_style()));
}

int Apply::finish() const {
  std::string summary =
      fmt::format("drover: added {}, changed {}, deleted {}, unchanged {}",
                  count_of(plan_, PlannedAct::add), count_of(plan_, PlannedAct::change),
                  count_of(plan_, PlannedAct::remove), count_of(plan_, PlannedAct::keep));
  if (refused_ > 0) summary += fmt::format("; of these refused {}", refused_);
  context_.screen.note(summary);
  return exit_;
}

}  // namespace

int execute(Context const& context, DefinitionApplyCommand const& command) {
  auto read = read_definition_paths(command.kind, command.paths);
  if (read.mistakes.empty())
    if (auto const once = check_names(command.kind, read.wanted); !once)
      read.mistakes.push_back(once.error());
  int exit = kExitOk;
  for (Error const& mistake : read.mistakes)
    exit = report(context, mistake);
  if (exit != kExitOk) return exit;
  // What only looks starts no server.
  auto client = command.dry_run ? connect(context) : connect_or_start(context);
  if (!client) return report(context, client.error());
  return Apply{context, command, *client}.run(std::move(read.wanted));
}

}  // namespace drover::cli
