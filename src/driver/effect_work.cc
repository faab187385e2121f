#include "driver/effect_work.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace drover::driver {

namespace {

constexpr std::size_t kWordsMax = 1000;
constexpr std::array<std::string_view, 5> kSandboxMembers = {"folder", "git", "memoryMb", "pids",
                                                             "cpu"};

Result<std::vector<std::string>> words_of(JsonObject const& from, std::string_view key) {
  std::vector<std::string> words;
  auto const* const found = from.find(key);
  if (found == nullptr || found->is_null()) return words;
  if (!found->is_array() || found->get_array().size() > kWordsMax)
    return fail(ErrorCode::invalid_argument, "{}: expected an array of at most {} texts",
                from.pointer_to(key), kWordsMax);
  for (auto const& each : found->get_array()) {
    if (!each.is_string())
      return fail(ErrorCode::invalid_argument, "{}: expected texts, found {}", from.pointer_to(key),
                  json_type_name(each));
    words.emplace_back(each.get_string());
  }
  return words;
}

Result<std::vector<std::string>> environment_of(JsonObject const& from) {
  std::vector<std::string> env;
  auto const* const found = from.find("env");
  if (found == nullptr || found->is_null()) return env;
  auto const object = JsonObject::of(*found, from.pointer_to("env"));
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw()) {
    std::string const name{member.key()};
    if (name.empty() || name.find('=') != std::string::npos || !member.value().is_string())
      return fail(ErrorCode::invalid_argument, "{}: a variable has a name without '=' and a text",
                  object->pointer_to(name));
    env.push_back(name + "=" + std::string{member.value().get_string()});
  }
  return env;
}

Result<FolderAccess> access_of(JsonObject const& from, std::string_view key, FolderAccess usual) {
  auto const text = from.optional_string(key);
  if (!text) return std::unexpected(text.error());
  if (!*text) return usual;
  if (**text == "none") return FolderAccess::none;
  if (**text == "ro") return FolderAccess::ro;
  if (**text == "rw") return FolderAccess::rw;
  return fail(ErrorCode::invalid_argument, "{}: expected none, ro or rw, found '{}'",
              from.pointer_to(key), printable(**text, 40));
}

Result<std::optional<std::int64_t>> count_of(JsonObject const& from, std::string_view key,
                                             std::int64_t max) {
  auto const count = from.optional_integer(key);
  if (!count || !*count) return count;
  if (**count < 1 || **count > max)
    return fail(ErrorCode::invalid_argument, "{}: expected 1 to {}, found {}", from.pointer_to(key),
                max, **count);
  return count;
}

Status read_sandbox(JsonObject const& definition, CommandWork& work) {
  constexpr std::int64_t kMemoryMbMax = 1 << 20;
  constexpr std::int64_t kPidsMax = 1 << 20;
  constexpr double kCpuMax = 1024;
  auto const* const found = definition.find("sandbox");
  if (found == nullptr || found->is_null()) return {};
  auto const sandbox = JsonObject::of(*found, "/sandbox");
  if (!sandbox) return std::unexpected(sandbox.error());
  // What would be left out here might be what keeps something in.
  for (auto const& member : sandbox->raw())
    if (std::ranges::find(kSandboxMembers, std::string_view{member.key()}) == kSandboxMembers.end())
      return fail(ErrorCode::invalid_argument,
                  "{}: a sandbox has folder, git, memoryMb, pids and cpu, and never a network",
                  sandbox->pointer_to(member.key()));
  auto const folder = access_of(*sandbox, "folder", work.folder);
  if (!folder) return std::unexpected(folder.error());
  auto const git = access_of(*sandbox, "git", work.git);
  if (!git) return std::unexpected(git.error());
  auto const memory = count_of(*sandbox, "memoryMb", kMemoryMbMax);
  if (!memory) return std::unexpected(memory.error());
  auto const pids = count_of(*sandbox, "pids", kPidsMax);
  if (!pids) return std::unexpected(pids.error());
  auto const cpu = sandbox->optional_number("cpu");
  if (!cpu) return std::unexpected(cpu.error());
  if (*cpu && (**cpu < 0.01 || **cpu > kCpuMax))
    return fail(ErrorCode::invalid_argument, "/sandbox/cpu: expected 0.01 to {}", kCpuMax);
  work.folder = *folder;
  work.git = *git;
  work.memory_mb = *memory;
  work.pids = *pids;
  work.cpu = *cpu;
  return {};
}

Status read_program(JsonObject const& own, CommandWork& work) {
  bool const shell = work.kind == CommandWork::Kind::shell;
  auto program = own.string(shell ? "command" : "entry");
  if (!program) return std::unexpected(program.error());
  if (trim(*program).empty())
    return fail(ErrorCode::invalid_argument, "{}: it is empty",
                own.pointer_to(shell ? "command" : "entry"));
  work.program = *std::move(program);
  auto args = words_of(own, "args");
  if (!args) return std::unexpected(args.error());
  work.args = *std::move(args);
  auto env = environment_of(own);
  if (!env) return std::unexpected(env.error());
  work.env = *std::move(env);
  auto cwd = own.optional_string("cwd");
  if (!cwd) return std::unexpected(cwd.error());
  work.cwd = cwd->value_or("");
  auto const expected = own.optional_integer("expectedExitCode");
  if (!expected) return std::unexpected(expected.error());
  work.expected_exit = expected->value_or(0);
  return {};
}

}  // namespace

Carrier carrier_of(std::string_view kind) {
  if (kind == "sleep" || kind == "signal") return Carrier::engine;
  if (kind == "shell" || kind == "node") return Carrier::command;
  if (kind == "agent") return Carrier::agent;
  if (kind == "breakpoint") return Carrier::person;
  if (kind == "child") return Carrier::child;
  return Carrier::outside;
}

bool names_a_command(std::string_view kind, json::value const& definition) {
  auto const* const whole = definition.if_object();
  return carrier_of(kind) == Carrier::command && whole != nullptr && whole->contains(kind);
}

Result<CommandWork> parse_command_work(std::string_view kind, json::value const& definition) {
  auto const whole = JsonObject::of(definition);
  if (!whole) return std::unexpected(whole.error());
  CommandWork work;
  work.kind = kind == "node" ? CommandWork::Kind::node : CommandWork::Kind::shell;
  auto const own = whole->object(kind);
  if (!own) return std::unexpected(own.error());
  DROVER_TRY(read_program(*own, work));
  // Beside the kind's own member too, where other kinds have it.
  for (auto const* const from : {&*whole, &*own}) {
    auto const timeout = count_of(*from, "timeoutMs", kCommandTimeoutMax.count());
    if (!timeout) return std::unexpected(timeout.error());
    if (*timeout) work.timeout = Millis{**timeout};
  }
  auto const idempotent = whole->optional_boolean("idempotent");
  if (!idempotent) return std::unexpected(idempotent.error());
  if (idempotent->value_or(false)) work.lost = CommandWork::Lost::repeat;
  DROVER_TRY(read_sandbox(*whole, work));
  return work;
}

}  // namespace drover::driver
