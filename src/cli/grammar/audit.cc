#include "cli/grammar/definitions.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kExamples = R"(Examples:
  drover audit
  drover audit --kind agent --json
  drover audit show 17    one of them whole)";

Result<Command> make_all(Raw const& raw) {
  if (raw.kind.empty() || raw.kind == "agent" || raw.kind == "task_type")
    return make_audit(raw, raw.kind, "");
  return fail(ErrorCode::invalid_argument, "--kind takes agent or task_type, not '{}'",
              printable(raw.kind, 40));
}

Result<Command> make_show(Raw const& raw) {
  auto const entry = number_between<std::int64_t>("audit show", raw.target, 1, INT64_MAX);
  if (!entry) return std::unexpected(entry.error());
  return AuditShowCommand{entry->value_or(0), format_of(raw)};
}

}  // namespace

Result<Command> make_audit(Raw const& raw, std::string const& kind, std::string const& name) {
  auto const limit = count_of("--limit", raw.limit, 50);
  if (!limit) return std::unexpected(limit.error());
  return AuditCommand{kind, name, *limit, format_of(raw)};
}

void limit_audit(CLI::App* sub, Raw& into) {
  sub->add_option("--limit", into.limit, "at most this many (default 50)")->type_name("N");
}

void add_audit(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const audit = grammar.add(
      grammar.app, "audit", "Lists who changed which agent or task type, newest first.", make_all);
  audit->require_subcommand(0, 1);
  audit->add_option("--kind", into.kind, "agent or task_type")->type_name("KIND");
  limit_audit(audit, into);
  grammar.json(audit);
  auto* const show = grammar.add(*audit, "show", "Shows a change whole.", make_show);
  show->add_option("entry", into.target, "its number")->type_name("")->required();
  grammar.json(show);
  audit->footer(std::string{kExamples});  // last: subcommands would inherit it
}

}  // namespace drover::cli
