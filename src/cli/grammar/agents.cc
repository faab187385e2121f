#include <boost/json.hpp>

#include "cli/grammar/definitions.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kExamples = R"(Examples:
  drover agents
  drover agents create reviewer --model anthropic/claude-sonnet-4-5 --tools Read,Grep,Glob
  drover agents edit reviewer
  drover agents edit reviewer --set limits.max_turns=20 --unset image
  drover agents disable reviewer
  drover agents history reviewer
  drover agents apply -f agents/ --dry-run
  drover agents delete reviewer
  drover agents status              how the containers of resident agents are
  drover agents usage               what they use, and what their runs have cost
  drover agents sync                makes them as they are wanted, also before the server starts
  drover run --agent reviewer 'Look at the last commit.')";

void put_text(json::object& members, std::string_view key, std::string const& text) {
  if (!text.empty()) members[key] = json::string{text};
}

// NAME=VALUE each, of which the value may hold anything.
Status put_pairs(json::object& members, std::string_view key, std::string_view option,
                 std::vector<std::string> const& texts) {
  json::object pairs;
  for (std::string const& text : texts) {
    auto const equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(ErrorCode::invalid_argument, "{} takes NAME=VALUE, not '{}'", option,
                  printable(text, 40));
    pairs[text.substr(0, equals)] = json::string{text.substr(equals + 1)};
  }
  if (!pairs.empty()) members[key] = std::move(pairs);
  return {};
}

// SOURCE:PATH or SOURCE:PATH:rw.
Result<json::object> mount_of(std::string const& text) {
  auto const parts = split(text, ':');
  bool const named = (parts.size() == 2 || parts.size() == 3) && parts[0].starts_with('/') &&
                     parts[1].starts_with('/');
  bool const mode = parts.size() != 3 || parts[2] == "rw" || parts[2] == "ro";
  if (!named || !mode)
    return fail(ErrorCode::invalid_argument,
                "--mount takes SOURCE:PATH or SOURCE:PATH:rw, both of them absolute, not '{}'",
                printable(text, 80));
  json::object mount{{"source", parts[0]}, {"path", parts[1]}};
  if (parts.size() == 3) mount["mode"] = parts[2];
  return mount;
}

Status put_lists(json::object& members, Raw const& raw) {
  json::array tools;
  for (std::string const& text : raw.tools)
    for (std::string_view const tool : split(text, ','))
      if (!trim(tool).empty()) tools.emplace_back(trim(tool));
  if (!raw.tools.empty()) members["tools"] = std::move(tools);
  json::array mounts;
  for (std::string const& text : raw.mounts) {
    auto mount = mount_of(text);
    if (!mount) return std::unexpected(mount.error());
    mounts.push_back(*std::move(mount));
  }
  if (!mounts.empty()) members["mounts"] = std::move(mounts);
  return {};
}

Result<Command> make_create(Raw const& raw) {
  if (!raw.prompt.empty() && !raw.prompt_file.empty())
    return fail(ErrorCode::invalid_argument, "--prompt and --prompt-file say the same: give one");
  AgentCreateCommand command;
  command.name = raw.definition;
  command.file = raw.file;
  command.prompt_file = raw.prompt_file;
  command.format = format_of(raw);
  json::object& members = command.members;
  put_text(members, "type", raw.type);
  put_text(members, "description", raw.description);
  put_text(members, "runner", raw.runner);
  put_text(members, "model", raw.model);
  put_text(members, "prompt", raw.prompt);
  put_text(members, "backend", raw.backend);
  put_text(members, "image", raw.image);
  // The only backend that has images.
  if (!raw.image.empty() && raw.backend.empty()) members["backend"] = "docker";
  if (raw.resident) members["resident"] = true;
  auto const replicas = number_between<std::int64_t>("--replicas", raw.replicas, 1, 64);
  if (!replicas) return std::unexpected(replicas.error());
  if (*replicas) members["replicas"] = **replicas;
  DROVER_TRY(put_pairs(members, "env", "--env", raw.environment));
  DROVER_TRY(put_pairs(members, "labels", "--label", raw.labels));
  DROVER_TRY(put_lists(members, raw));
  return command;
}

void add_again(CLI::App* sub, std::string const& option, std::vector<std::string>& into,
               std::string const& what, std::string const& type) {
  sub->add_option(option, into, what + "; may come again")
      ->type_name(type)
      ->expected(1)
      ->take_all();
}

void add_create(Grammar& grammar, CLI::App& agents) {
  Raw& into = grammar.raw;
  auto* const create =
      grammar.add(agents, "create", "Makes an agent; prints its name.", make_create);
  name_definition(create, into);
  create->add_option("--model", into.model, "of runs that name none")->type_name("MODEL");
  create->add_option("--prompt", into.prompt, "the system's words")->type_name("TEXT");
  create->add_option("--prompt-file", into.prompt_file, "a file with them; - is stdin")
      ->type_name("FILE");
  create->add_option("--description", into.description, "what it is for")->type_name("TEXT");
  create->add_option("--type", into.type, "what kind of agent it is")->type_name("NAME");
  create->add_option("--runner", into.runner, "what drives the model")->type_name("NAME");
  create->add_option("--backend", into.backend, "process or docker")->type_name("NAME");
  create->add_option("--image", into.image, "of its containers, with the backend docker")
      ->type_name("IMAGE");
  add_again(create, "--tools", into.tools, "Read,Grep", "NAMES");
  add_again(create, "--env", into.environment, "a variable of its units", "NAME=VALUE");
  add_again(create, "--label", into.labels, "that its workers must have", "NAME=VALUE");
  create->add_flag("--resident", into.resident, "it keeps a container and a volume");
  create->add_option("--replicas", into.replicas, "so many of them")->type_name("N");
  add_again(create, "--mount", into.mounts, "a folder in its container: SOURCE:PATH[:rw]", "MOUNT");
  create->add_option("-f,--file", into.file, "a file with the rest; options stand before it")
      ->type_name("FILE");
  grammar.json(create, "the agent as JSON");
}

void add_enablement(Grammar& grammar, CLI::App& agents) {
  for (auto const& [name, what, enablement] :
       {std::tuple{"enable", "Lets an agent take new work again.", Enablement::enable},
        std::tuple{"disable", "Lets an agent take no new work; what it has goes on.",
                   Enablement::disable}}) {
    auto* const sub = grammar.add(agents, name, what, [which = enablement](Raw const& raw) {
      return Result<Command>{AgentEnableCommand{which, raw.definition, format_of(raw)}};
    });
    name_definition(sub, grammar.raw);
    grammar.json(sub, "the agent as JSON");
  }
}

}  // namespace

void add_agents(Grammar& grammar) {
  auto* const agents = add_agent_definitions(grammar);
  add_create(grammar, *agents);
  add_enablement(grammar, *agents);
  add_fleet(grammar, *agents);
  agents->footer(std::string{kExamples});  // last: subcommands would inherit it
}

}  // namespace drover::cli
