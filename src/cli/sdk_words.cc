#include "cli/sdk_words.h"

#include <algorithm>
#include <array>

namespace drover::cli {

namespace {

constexpr std::array<std::string_view, 13> kCommands = {
    "run:create", "run:assign-process",        "run:iterate", "run:status",
    "run:events", "run:rebuild-state",         "run:halt",    "run:repair-journal",
    "task:list",  "run:recover-process-error", "task:show",   "task:post",
    "task:cancel"};

constexpr std::array<std::string_view, 10> kFlags = {
    "--json",    "--dry-run", "--verbose", "--show-config",     "--force",
    "--reverse", "--pending", "--rich",    "--non-interactive", "--tree"};

constexpr std::array<std::string_view, 32> kOptions = {
    "--runs-dir",       "--process-id",   "--entry",          "--inputs",      "--run-id",
    "--request",        "--prompt",       "--harness",        "--session-id",  "--process-revision",
    "--iteration",      "--limit",        "--filter-type",    "--kind",        "--status",
    "--value",          "--value-inline", "--error",          "--stdout-file", "--stderr-file",
    "--stdout-ref",     "--stderr-ref",   "--started-at",     "--finished-at", "--metadata",
    "--reason",         "--final-status", "--invocation-key", "--plugin-root", "--state-dir",
    "--max-iterations", "--patch-effect"};

bool among(auto const& names, std::string_view word) {
  return std::ranges::find(names, word) != names.end();
}

}  // namespace

std::string SdkWords::option(std::string const& key) const {
  auto const found = options.find(key);
  return found == options.end() ? "" : found->second;
}

std::string SdkWords::argument(std::size_t at) const {
  return at < positional.size() ? positional[at] : "";
}

bool is_sdk_command(std::string_view word) {
  return word.find(':') != std::string_view::npos && among(kCommands, word);
}

Result<SdkWords> parse_sdk_words(std::span<std::string const> words) {
  SdkWords parsed;
  if (words.empty()) return parsed;
  parsed.name = words.front();
  for (std::size_t at = 1; at < words.size(); ++at) {
    std::string const& word = words[at];
    if (among(kFlags, word)) {
      parsed.flags.insert(word);
    } else if (among(kOptions, word)) {
      if (at + 1 == words.size())
        return fail(ErrorCode::invalid_argument, "{} needs a value", word);
      parsed.options[word] = words[++at];
    } else {
      parsed.positional.push_back(word);
    }
  }
  return parsed;
}

}  // namespace drover::cli
