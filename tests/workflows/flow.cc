#include "workflows/flow.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "os/files.h"

namespace drover::harness {

namespace {

void write(std::string const& path, std::string const& text) {
  if (auto const written = os::write_file_atomic(path, text); !written)
    throw std::runtime_error(written.error().message);
}

std::string read(std::string const& path) {
  auto text = os::read_file(path);
  if (!text) throw std::runtime_error(text.error().message);
  return *std::move(text);
}

}  // namespace

Flow::Flow(std::string const& source) {
  std::filesystem::create_directories(root() + "/processes");
  rewrite(source);
}

void Flow::rewrite(std::string const& source) const {
  write(entry(),
        "const task = (id, kind = 'node') => ({ id, build: (args) => ({ kind, title: id }) });\n" +
            source);
}

Outcome Flow::drover(std::vector<std::string> words) const {
  words.insert(words.end(), {"--runs-dir", root() + "/runs", "--json"});
  return world_.drover(std::move(words), "", Millis{60'000});
}

std::unique_ptr<Program> Flow::start(std::vector<std::string> words) const {
  words.insert(words.end(), {"--runs-dir", root() + "/runs", "--json"});
  return world_.start_drover(std::move(words));
}

Outcome Flow::sdk(std::vector<std::string> words) const {
  std::string const program = std::string{HARNESS_CLIENTS} + "/babysitter";
  if (!os::exists(program))
    throw std::runtime_error(program + " is not there; ./dev test installs it");
  ProgramOptions options;
  options.arguments = {program};
  options.arguments.insert(options.arguments.end(), words.begin(), words.end());
  options.arguments.insert(options.arguments.end(), {"--runs-dir", root() + "/runs", "--json"});
  options.environment = world_.environment();
  options.folder = root();
  return run_program(options, Millis{60'000});
}

void Flow::create(std::string const& run, std::string const& inputs) const {
  write(root() + "/inputs.json", inputs);
  auto const outcome = drover({"run:create", "--process-id", "flow", "--entry", entry(), "--inputs",
                               root() + "/inputs.json", "--run-id", run});
  if (outcome.exit_code != 0) throw std::runtime_error(outcome.text());
}

json::object Flow::iterate(std::string const& run) const {
  return printed(drover({"run:iterate", run}));
}

void Flow::post(std::string const& run, std::string const& effect_id,
                std::string const& value) const {
  auto const outcome =
      drover({"task:post", run, effect_id, "--status", "ok", "--value-inline", value});
  if (outcome.exit_code != 0) throw std::runtime_error(outcome.text());
}

json::object Flow::finish(std::string const& run, std::string const& value) const {
  constexpr int kIterationsMax = 100;
  for (int i = 0; i < kIterationsMax; ++i) {
    auto iterated = iterate(run);
    if (iterated.at("status").as_string() != "waiting") return iterated;
    for (auto const& effect_id : pending(iterated))
      post(run, effect_id, value);
  }
  throw std::runtime_error("the run does not end");
}

json::value Flow::output(std::string const& run) const {
  return *parse_json(read(run_folder(run) + "/state/output.json"));
}

std::vector<std::string> Flow::journal_types(std::string const& run) const {
  auto const events = printed(drover({"run:events", run}));
  std::vector<std::string> types;
  for (auto const& event : events.at("events").as_array())
    types.emplace_back(event.at("type").as_string());
  return types;
}

json::object printed(Outcome const& outcome) {
  auto value = parse_json(outcome.out);
  if (!value || !value->is_object()) throw std::runtime_error(outcome.text());
  return std::move(value->get_object());
}

std::vector<std::string> pending(json::object const& iterated) {
  std::vector<std::string> ids;
  if (auto const* const actions = iterated.if_contains("nextActions"))
    for (auto const& action : actions->as_array())
      ids.emplace_back(action.at("effectId").as_string());
  return ids;
}

std::string pending(json::object const& iterated, std::string_view label) {
  if (auto const* const actions = iterated.if_contains("nextActions"))
    for (auto const& action : actions->as_array())
      if (action.at("label").as_string() == label) return action.at("effectId").as_string().c_str();
  throw std::runtime_error("nothing waits with the label " + std::string{label} + ": " +
                           json::serialize(iterated));
}

}  // namespace drover::harness
