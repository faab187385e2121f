#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "cli/change_view.h"
#include "cli/commands.h"
#include "cli/definition_client.h"
#include "cli/editor.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/member_edits.h"
#include "cli/question.h"
#include "cli/toml_view.h"

namespace drover::cli {

namespace {

struct EditText {
  std::string text;
  std::string ending;  // of its file
};

// TOML with a head that says what it is; JSON, which has no comments, for what TOML cannot hold.
EditText text_of(Definition kind, PresentDefinition const& present) {
  auto const toml = render_toml(present.spec);
  if (!toml) return {render_json(present.spec, Style{}), ".json"};
  DefinitionWords const& words = words_of(kind);
  std::string const from =
      present.revision == 0 ? present.origin : fmt::format("revision {}", present.revision);
  return {fmt::format("# The {} {} ({}). What is here when you leave the editor takes its place;\n"
                      "# left as it is, nothing changes. The members: {}\n\n{}",
                      words.noun, present.name, from, words.document, *toml),
          ".toml"};
}

Status check_name(Definition kind, PresentDefinition const& present, json::object const& spec) {
  if (string_or(spec, "name", "") == present.name) return {};
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("/name: this is the {} {}, and a name does not change",
                               words_of(kind).noun, present.name),
                   fmt::format("make another one with: drover {} {}", words_of(kind).command,
                               kind == Definition::agent ? "create" : "apply"));
}

Result<json::object> read_edited(Definition kind, PresentDefinition const& present,
                                 EditedFile const& file, std::string const& text) {
  auto const value = parse_config(file.path(), text);
  if (!value) return std::unexpected(value.error());
  auto spec = checked_definition(kind, *value);
  if (!spec) return spec;
  DROVER_TRY(check_name(kind, present, *spec));
  return spec;
}

class EditSession {
 public:
  EditSession(Context const& context, DefinitionEditCommand const& command,
              PresentDefinition const& present, ApiClient& client)
      : context_(context), command_(command), present_(present), client_(client) {}

  int by_members();
  int in_editor();

 private:
  [[nodiscard]] int unchanged() const;
  [[nodiscard]] int put(json::object const& spec);
  // Asks where there is somebody; tells where the text is where it is given up.
  [[nodiscard]] Answer again(EditedFile const& file) const;
  void tell_where(EditedFile const& file) const;

  Context const& context_;
  DefinitionEditCommand const& command_;
  PresentDefinition const& present_;
  ApiClient& client_;
};

int EditSession::unchanged() const {
  context_.screen.note(fmt::format("drover: {} is as it was", printable(present_.name)));
  return kExitOk;
}

int EditSession::put(json::object const& spec) {
  auto const put = put_definition(context_, client_, command_.kind, spec, present_.revision);
  if (!put) return report(context_, put.error());
  if (command_.format == Format::json) return show_put(context_, command_.format, *put);
  json::value const before = present_.spec;
  json::value const after = spec;
  Screen& screen = context_.screen;
  screen.print(render_changes(json_differences(&before, &after), screen.out_style()));
  screen.note(fmt::format("drover: {} is at revision {}", printable(present_.name),
                          integer_or(*put, "revision", 0)));
  return kExitOk;
}

int EditSession::by_members() {
  std::vector<MemberSet> sets;
  for (std::string const& text : command_.sets) {
    auto set = parse_member_set(text);
    if (!set) return report(context_, set.error());
    sets.push_back(*std::move(set));
  }
  auto const spec = edit_members(command_.kind, present_.spec, sets, command_.unsets);
  if (!spec) return report(context_, spec.error());
  if (auto const named = check_name(command_.kind, present_, *spec); !named)
    return report(context_, named.error());
  return *spec == present_.spec ? unchanged() : put(*spec);
}

void EditSession::tell_where(EditedFile const& file) const {
  context_.screen.note(fmt::format("drover: what you wrote is in {0}; drover {1} apply -f {0}",
                                   printable(file.path(), 300), words_of(command_.kind).command));
}

Answer EditSession::again(EditedFile const& file) const {
  if (can_ask(context_.screen) &&
      ask(context_.screen, "Edit it again?", Answer::yes) == Answer::yes)
    return Answer::yes;
  tell_where(file);
  return Answer::no;
}

int EditSession::in_editor() {
  EditText const before = text_of(command_.kind, present_);
  auto const file =
      EditedFile::create(context_.environment, present_.name, before.ending, before.text);
  if (!file) return report(context_, file.error());
  for (;;) {
    auto const text = file->edit(context_.environment);
    if (!text) {
      int const exit = report(context_, text.error());
      // An editor that was left with an error has changed nothing where it wrote nothing.
      auto const left = file->read();
      if (left && *left == before.text)
        file->remove();
      else
        tell_where(*file);
      return exit;
    }
    bool const same = *text == before.text;
    auto const spec = same ? Result<json::object>{present_.spec}
                           : read_edited(command_.kind, present_, *file, *text);
    if (!spec) {
      int const exit = report(context_, spec.error());
      if (again(*file) == Answer::yes) continue;
      return exit;
    }
    int const exit = *spec == present_.spec ? unchanged() : put(*spec);
    if (exit == kExitOk)
      file->remove();
    else
      tell_where(*file);
    return exit;
  }
}

}  // namespace

int execute(Context const& context, DefinitionEditCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const present = fetch_definition(*client, command.kind, command.name);
  if (!present) return report(context, present.error());
  if (present->origin == "file")
    return report(context, Error{ErrorCode::conflict,
                                 fmt::format("the {} {} is defined in {} of the server",
                                             words_of(command.kind).noun, present->name,
                                             printable(present->file, 300)),
                                 "change it there, and restart the server"});
  EditSession session{context, command, *present, *client};
  bool const by_members = !command.sets.empty() || !command.unsets.empty();
  return by_members ? session.by_members() : session.in_editor();
}

}  // namespace drover::cli
