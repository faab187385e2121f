#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/definition_client.h"
#include "cli/document.h"
#include "os/files.h"

namespace drover::cli {

namespace {

Result<std::string> prompt_of(std::string const& file) {
  auto text = file == "-" ? os::read_all(STDIN_FILENO, "stdin", kDocumentBytesMax)
                          : os::read_file(file, kDocumentBytesMax);
  if (!text) return text;
  if (!is_utf8(*text))
    return fail(ErrorCode::invalid_argument, "{} is no UTF-8", printable(file, 300));
  return text;
}

Result<json::object> definition_of(AgentCreateCommand const& command) {
  json::object members;
  if (!command.file.empty()) {
    auto read = read_document(command.file);
    if (!read) return read;
    members = *std::move(read);
  }
  std::string_view const named = string_or(members, "name", command.name);
  if (named != command.name)
    return fail(ErrorCode::invalid_argument, "{} is of the agent {}, not {}",
                printable(command.file, 300), printable(named), printable(command.name));
  members["name"] = json::string{command.name};
  if (!command.prompt_file.empty()) {
    auto const prompt = prompt_of(command.prompt_file);
    if (!prompt) return std::unexpected(prompt.error());
    members["prompt"] = json::string{*prompt};
  }
  for (auto const& member : command.members)
    members[member.key()] = member.value();
  return checked_definition(Definition::agent, members);
}

}  // namespace

int execute(Context const& context, AgentCreateCommand const& command) {
  auto const spec = definition_of(command);
  if (!spec) return report(context, spec.error());
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  auto const known = fetch_definition(*client, Definition::agent, command.name);
  if (known)
    return report(context,
                  Error{ErrorCode::conflict,
                        fmt::format("there is an agent {} already ({})", command.name,
                                    known->file.empty() ? known->origin : printable(known->file)),
                        fmt::format("change it with: drover agents edit {}", command.name)});
  if (known.error().code != ErrorCode::not_found) return report(context, known.error());
  auto const put = put_definition(context, *client, Definition::agent, *spec, 0);
  if (!put) return report(context, put.error());
  return show_put(context, command.format, *put);
}

}  // namespace drover::cli
