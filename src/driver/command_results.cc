#include "driver/command_results.h"

#include <fmt/format.h>

#include "base/text.h"

namespace drover::driver {

namespace {

constexpr std::size_t kPrintedJsonMax = std::size_t{1} << 20U;

// Why it failed, in a sentence; empty: it did not.
std::string failure(CommandWork const& work, CommandEnd const& end) {
  bool const shell = work.kind == CommandWork::Kind::shell;
  std::string const what = shell ? "Shell command" : "Node program";
  if (end.how == CommandHow::timed_out)
    return fmt::format("{} took longer than {} ms and was killed", what, work.timeout.count());
  if (end.how == CommandHow::stopped) return what + " was stopped";
  if (end.exit_code == (shell ? work.expected_exit : 0)) return "";
  if (end.out_of_memory) return what + " ran out of memory";
  return fmt::format("{} exited with code {}", what, end.exit_code);
}

json::object streams(CommandEnd const& end, std::string const& out, std::string const& err) {
  json::object value{{"exitCode", end.exit_code}, {"stdout", out}, {"stderr", err}};
  if (end.how == CommandHow::timed_out) value.emplace("timedOut", true);
  if (end.out_of_memory) value.emplace("outOfMemory", true);
  return value;
}

std::optional<json::value> printed_value(std::string const& out) {
  auto const text = trim(out);
  if (text.empty() || text.size() > kPrintedJsonMax) return std::nullopt;
  auto value = parse_json(text);
  if (!value) return std::nullopt;
  return *std::move(value);
}

void settle_node(CommandEnd const& end, std::string const& why,
                 std::optional<std::string> const& output, workflow::TaskResult& result) {
  if (!why.empty()) {
    result.outcome = workflow::Outcome::error;
    auto const* const name = end.how == CommandHow::timed_out ? kTimeoutName.data() : "Error";
    result.error = json::object{
        {"name", name}, {"message", why}, {"data", streams(end, *result.out, *result.err)}};
    return;
  }
  if (!output) {
    result.value = printed_value(*result.out).value_or(streams(end, *result.out, *result.err));
    return;
  }
  auto value = parse_json(*output);
  if (value) {
    result.value = *std::move(value);
    return;
  }
  result.outcome = workflow::Outcome::error;
  result.error = json::object{{"name", "Error"},
                              {"message", fmt::format("what it left in output.json is no JSON: {}",
                                                      value.error().message)}};
}

}  // namespace

workflow::TaskResult command_result(CommandWork const& work, CommandEnd const& end,
                                    std::optional<std::string> const& output) {
  workflow::TaskResult result;
  result.out = end.out.text();
  result.err = end.err.text();
  std::string const why = failure(work, end);
  if (work.kind == CommandWork::Kind::node) {
    settle_node(end, why, output, result);
    return result;
  }
  json::object value{{"success", why.empty()}};
  for (auto& member : streams(end, *result.out, *result.err))
    value.emplace(member.key(), std::move(member.value()));
  if (!why.empty()) value.emplace("error", why);
  result.value = std::move(value);
  return result;
}

workflow::TaskResult thrown_result(std::string_view name, std::string_view message) {
  workflow::TaskResult result;
  result.outcome = workflow::Outcome::error;
  result.shell_error = workflow::ShellError::thrown;
  result.error = json::object{{"name", name}, {"message", message}};
  return result;
}

workflow::TaskResult lost_result() {
  return thrown_result(kLostName,
                       "it had begun when whoever carried it out died, and nobody knows how it "
                       "ended; it was not begun again, for its definition does not say that it is "
                       "idempotent");
}

}  // namespace drover::driver
