#include "workflow/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "os/files.h"
#include "workflow/run_folder.h"
#include "workflow/yaml_tree.h"

namespace drover::workflow {

namespace {

constexpr std::int64_t kLoopMax = 100'000;
constexpr std::int64_t kConcurrencyMax = 1000;
constexpr std::int64_t kAttemptsMax = 1000;

using Words = std::vector<std::string_view>;

struct KindRule {
  std::string_view name;
  StepKind kind;
  Words beside;  // members of its own, beside those that every step may have
};

std::vector<KindRule> const& kind_rules() {
  static std::vector<KindRule> const rules = {
      {"shell",
       StepKind::shell,
       {"args", "env", "cwd", "expectedExitCode", "sandbox", "idempotent"}},
      {"node", StepKind::node, {"args", "env", "cwd", "sandbox", "idempotent"}},
      {"agent", StepKind::agent, {"prompt", "outputSchema", "with"}},
      {"task", StepKind::task, {}},
      {"breakpoint", StepKind::breakpoint, {}},
      {"sleep", StepKind::sleep, {}},
      {"signal", StepKind::signal, {}},
      {"child", StepKind::child, {"inputs"}},
      {"for_each", StepKind::for_each, {"as", "concurrency", "steps", "output"}},
      {"while", StepKind::loop, {"max", "steps"}},
      {"until", StepKind::loop, {"max", "steps"}},
      {"parallel", StepKind::parallel, {"concurrency"}},
      {"steps", StepKind::block, {"catch", "output"}},
      {"set", StepKind::set, {}},
      {"fail", StepKind::fail, {}},
      {"halt", StepKind::halt, {"payload"}},
      {"log", StepKind::log, {}},
  };
  return rules;
}
constexpr std::array<std::string_view, 7> kCommon = {
    "id", "name", "if", "retry", "timeout", "heartbeat", "continue_on_error"};

class DocumentReader {
 public:
  explicit DocumentReader(std::string_view file) : file_(file) {}

  Result<Document> document(YamlNode const& node) {
    if (node.kind != YamlNode::Kind::map) return wrong(node, "a workflow is a map with steps");
    DROVER_TRY(only(node, {"name", "description", "inputs", "steps", "output"}));
    Document document;
    if (auto const* const name = node.find("name")) {
      auto text = plain_text(*name, "name");
      if (!text) return std::unexpected(text.error());
      document.name = *std::move(text);
    }
    if (auto const* const inputs = node.find("inputs")) DROVER_TRY(read_inputs(*inputs, document));
    auto const* const steps = node.find("steps");
    if (steps == nullptr) return wrong(node, "a workflow has steps");
    DROVER_TRY(read_steps(*steps, document.steps));
    if (auto const* const output = node.find("output"))
      DROVER_TRY(read_value(*output, document.output));
    document.size = count_;
    return document;
  }

 private:
  std::unexpected<Error> wrong(YamlNode const& node, std::string_view what) const {
    return yaml_error(file_, node.line, node.column, what);
  }

  static std::string list_of(Words const& words) {
    std::string list;
    for (auto const word : words)
      list += fmt::format("{}{}", list.empty() ? "" : ", ", word);
    return list;
  }

  Status only(YamlNode const& node, Words const& known) const {
    for (auto const& [name, member] : node.members)
      if (std::ranges::find(known, std::string_view{name}) == known.end())
        return wrong(member, fmt::format("'{}' is not known here; known are {}", printable(name),
                                         list_of(known)));
    return {};
  }

  // A text that says itself and holds no expression.
  Result<std::string> plain_text(YamlNode const& node, std::string_view what) const {
    if (node.kind != YamlNode::Kind::scalar || !node.scalar.is_string() ||
        node.scalar.get_string().empty())
      return wrong(node, fmt::format("{} is a text", what));
    return std::string{node.scalar.get_string()};
  }

  Result<std::int64_t> number(YamlNode const& node, std::string_view what, std::int64_t max) const {
    if (node.kind == YamlNode::Kind::scalar && node.scalar.is_int64() &&
        node.scalar.get_int64() >= 1 && node.scalar.get_int64() <= max)
      return node.scalar.get_int64();
    return wrong(node, fmt::format("{} is a number from 1 to {}", what, max));
  }

  Result<bool> truth(YamlNode const& node, std::string_view what) const {
    if (node.kind == YamlNode::Kind::scalar && node.scalar.is_bool()) return node.scalar.get_bool();
    return wrong(node, fmt::format("{} is true or false", what));
  }

  Result<Millis> duration(YamlNode const& node, std::string_view what) const {
    auto const text = plain_text(node, what);
    auto const parsed = text ? parse_duration(*text) : std::unexpected(text.error());
    if (parsed && parsed->count() > 0) return *parsed;
    return wrong(node, fmt::format("{} is a duration, as 10s or 5m", what));
  }

  // With or without ${ }.
  Status read_expression(YamlNode const& node, std::optional<Expression>& into) const {
    std::string text;
    if (node.kind == YamlNode::Kind::scalar && node.scalar.is_string())
      text = trim(std::string_view{node.scalar.get_string()});
    else if (node.kind == YamlNode::Kind::scalar && node.scalar.is_bool())
      text = node.scalar.get_bool() ? "true" : "false";
    if (text.starts_with("${") && text.ends_with('}')) text = text.substr(2, text.size() - 3);
    if (text.empty()) return wrong(node, "a condition is an expression");
    auto parsed = Expression::parse(text);
    if (!parsed) return wrong(node, parsed.error().message);
    into = *std::move(parsed);
    return {};
  }

  Status check_texts(YamlNode const& node) const {
    if (node.kind == YamlNode::Kind::scalar && node.scalar.is_string())
      if (auto const checked = check_text(node.scalar.get_string()); !checked)
        return wrong(node, checked.error().message);
    for (auto const& item : node.items)
      DROVER_TRY(check_texts(item));
    for (auto const& [_, member] : node.members)
      DROVER_TRY(check_texts(member));
    return {};
  }

  template <class Value>
  Status read_value(YamlNode const& node, Value& into) const {
    DROVER_TRY(check_texts(node));
    into = node.value();
    return {};
  }

  Status read_inputs(YamlNode const& node, Document& document) const {
    if (node.kind != YamlNode::Kind::map) return wrong(node, "inputs is a map of names");
    for (auto const& [name, input] : node.members) {
      document.inputs.push_back(name);
      bool const is_bare = input.kind == YamlNode::Kind::scalar && input.scalar.is_null();
      if (!is_bare && input.kind != YamlNode::Kind::map)
        return wrong(input, "an input is empty, or a map with default and description");
      DROVER_TRY(only(input, {"default", "description"}));
      if (auto const* const value = input.find("default"))
        document.defaults.emplace(name, value->value());
      else
        document.required.push_back(name);
    }
    return {};
  }

  Status read_steps(YamlNode const& node, DocumentSteps& into) {
    if (node.kind != YamlNode::Kind::list || node.items.empty())
      return wrong(node, "steps is a list, of one at least");
    for (auto const& each : node.items) {
      ++count_;
      DROVER_TRY(read_step(each, into.emplace_back()));
    }
    return {};
  }

  // The one member that says what a step is.
  Result<KindRule const*> kind_of(YamlNode const& node) const {
    if (node.kind != YamlNode::Kind::map) return wrong(node, "a step is a map");
    KindRule const* found = nullptr;
    bool const in_body = std::ranges::any_of(kind_rules(), [&](KindRule const& rule) {
      return rule.name != "steps" && node.find(rule.name) != nullptr;
    });
    for (auto const& rule : kind_rules()) {
      // A loop has steps, and is none of them.
      if (node.find(rule.name) == nullptr || (rule.name == "steps" && in_body)) continue;
      if (found != nullptr)
        return wrong(node, fmt::format("a step is one thing, and this is {} and {}", found->name,
                                       rule.name));
      found = &rule;
    }
    if (found != nullptr) return found;
    Words names;
    for (auto const& rule : kind_rules())
      names.push_back(rule.name);
    return wrong(node, fmt::format("a step is one of {}", list_of(names)));
  }

  Status read_step(YamlNode const& node, DocumentStep& step) {
    auto const rule = kind_of(node);
    if (!rule) return std::unexpected(rule.error());
    Words known{kCommon.begin(), kCommon.end()};
    known.push_back((*rule)->name);
    known.insert(known.end(), (*rule)->beside.begin(), (*rule)->beside.end());
    DROVER_TRY(only(node, known));
    step.kind = (*rule)->kind;
    step.line = node.line;
    DROVER_TRY(read_common(node, step));
    return read_kind(node, **rule, step);
  }

  Status read_common(YamlNode const& node, DocumentStep& step) {
    if (auto const* const id = node.find("id")) {
      auto text = plain_text(*id, "id");
      if (!text) return std::unexpected(text.error());
      bool const is_name = std::ranges::all_of(*text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
      });
      if (!is_name || (text->front() >= '0' && text->front() <= '9'))
        return wrong(*id, "an id is letters, digits and _, and begins with no digit");
      if (!ids_.insert(*text).second)
        return wrong(*id, fmt::format("there is another step {}", *text));
      step.id = *std::move(text);
    }
    if (auto const* const name = node.find("name")) {
      auto text = plain_text(*name, "name");
      if (!text) return std::unexpected(text.error());
      step.label = *std::move(text);
    }
    if (step.label.empty()) step.label = step.id;
    if (auto const* const condition = node.find("if"))
      DROVER_TRY(read_expression(*condition, step.condition));
    if (auto const* const timeout = node.find("timeout")) {
      auto const limit = duration(*timeout, "timeout");
      if (!limit) return std::unexpected(limit.error());
      step.timeout = *limit;
    }
    if (auto const* const heartbeat = node.find("heartbeat")) {
      auto const limit = duration(*heartbeat, "heartbeat");
      if (!limit) return std::unexpected(limit.error());
      step.heartbeat = *limit;
    }
    if (auto const* const goes_on = node.find("continue_on_error")) {
      auto const is = truth(*goes_on, "continue_on_error");
      if (!is) return std::unexpected(is.error());
      step.continue_on_error = *is;
    }
    auto const* const retry = node.find("retry");
    return retry == nullptr ? Status{} : read_retry(*retry, step.retry);
  }

  Status read_retry(YamlNode const& node, Retry& retry) const {
    YamlNode const* attempts = &node;
    if (node.kind == YamlNode::Kind::map) {
      DROVER_TRY(only(node, {"attempts", "backoff"}));
      attempts = node.find("attempts");
      if (attempts == nullptr) return wrong(node, "a retry has attempts");
      if (auto const* const backoff = node.find("backoff")) {
        auto const wait = duration(*backoff, "backoff");
        if (!wait) return std::unexpected(wait.error());
        retry.backoff = *wait;
      }
    }
    auto const count = number(*attempts, "attempts", kAttemptsMax);
    if (!count) return std::unexpected(count.error());
    retry.attempts = static_cast<int>(*count);
    return {};
  }

  Status read_kind(YamlNode const& node, KindRule const& rule, DocumentStep& step) {
    YamlNode const& own = *node.find(rule.name);
    bool const is_effect = step.kind <= StepKind::child && step.kind != StepKind::sleep;
    if ((step.retry.attempts > 1 || step.timeout) && !is_effect)
      return wrong(node, "only what is carried out is tried again or has a timeout");
    bool const is_work = step.kind == StepKind::shell || step.kind == StepKind::node ||
                         step.kind == StepKind::agent || step.kind == StepKind::task;
    if (step.heartbeat && !is_work)
      return wrong(node, "only commands, agents and tasks have a heartbeat");
    switch (step.kind) {
      case StepKind::for_each:
        return read_for_each(node, own, step);
      case StepKind::loop:
        return read_loop(node, rule.name, step);
      case StepKind::parallel:
        return read_parallel(node, own, step);
      case StepKind::block:
        return read_block(node, own, step);
      case StepKind::shell:
        return read_shell(node, own, rule, step);
      default:
        break;
    }
    DROVER_TRY(read_value(own, step.body));
    DROVER_TRY(read_beside(node, rule, step));
    return check_own(node, own, step);
  }

  Status read_beside(YamlNode const& node, KindRule const& rule, DocumentStep& step) const {
    for (auto const name : rule.beside)
      if (auto const* const member = node.find(name))
        DROVER_TRY(read_value(*member, step.more[name]));
    return {};
  }

  Status check_own(YamlNode const& node, YamlNode const& own, DocumentStep const& step) const {
    bool const is_text = step.body.is_string() && !step.body.get_string().empty();
    switch (step.kind) {
      case StepKind::agent:
        if (!is_text) return wrong(own, "agent is the name of one");
        if (!step.more.contains("prompt")) return wrong(node, "an agent has a prompt");
        return {};
      case StepKind::task:
        if (!step.body.is_object() || !step.body.get_object().contains("kind"))
          return wrong(own, "a task is a map with its kind");
        return {};
      case StepKind::set:
        return step.body.is_object() ? Status{} : wrong(own, "set is a map of names and values");
      case StepKind::sleep:
        return check_sleep(own, step.body);
      case StepKind::breakpoint:
        return is_text || step.body.is_object()
                   ? Status{}
                   : wrong(own, "a breakpoint is a question, or a map with one");
      default:
        return is_text ? Status{} : wrong(own, "it is a text");
    }
  }

  Status check_sleep(YamlNode const& own, json::value const& body) const {
    if (body.is_object()) {
      DROVER_TRY(only(own, {"until"}));
      return own.find("until") != nullptr ? Status{} : wrong(own, "it sleeps until a time");
    }
    bool const is_rendered = body.is_string() && body.get_string().find("${") != json::string::npos;
    if (is_rendered) return {};
    auto const checked = duration(own, "sleep");
    return checked ? Status{} : std::unexpected(checked.error());
  }

  // What a shell runs is the same whatever the values are: they come as arguments and environment,
  // where nothing of them is taken for a command.
  Status read_shell(YamlNode const& node, YamlNode const& own, KindRule const& rule,
                    DocumentStep& step) const {
    auto command = plain_text(own, "a shell's command");
    if (!command) return std::unexpected(command.error());
    step.body = json::value(*command);
    return read_beside(node, rule, step);
  }

  Status read_for_each(YamlNode const& node, YamlNode const& own, DocumentStep& step) {
    if (own.kind != YamlNode::Kind::list &&
        !(own.scalar.is_string() && own.scalar.get_string().find("${") != json::string::npos))
      return wrong(own, "for_each is a list, or an expression that gives one");
    DROVER_TRY(read_value(own, step.body));
    if (auto const* const name = node.find("as")) {
      auto text = plain_text(*name, "as");
      if (!text) return std::unexpected(text.error());
      step.variable = *std::move(text);
    }
    DROVER_TRY(read_concurrency(node, step, 1));
    if (auto const* const output = node.find("output"))
      DROVER_TRY(read_value(*output, step.output));
    return read_inner(node, step);
  }

  Status read_concurrency(YamlNode const& node, DocumentStep& step, std::size_t usual) const {
    step.concurrency = usual;
    auto const* const own = node.find("concurrency");
    if (own == nullptr) return {};
    auto const count = number(*own, "concurrency", kConcurrencyMax);
    if (!count) return std::unexpected(count.error());
    step.concurrency = static_cast<std::size_t>(*count);
    return {};
  }

  Status read_inner(YamlNode const& node, DocumentStep& step) {
    auto const* const steps = node.find("steps");
    if (steps == nullptr) return wrong(node, "it has steps");
    return read_steps(*steps, step.steps);
  }

  Status read_loop(YamlNode const& node, std::string_view name, DocumentStep& step) {
    auto& condition = name == "while" ? step.loop_while : step.loop_until;
    DROVER_TRY(read_expression(*node.find(name), condition));
    auto const* const max = node.find("max");
    if (max == nullptr) return wrong(node, "a loop has a max: how often it goes round at most");
    auto const count = number(*max, "max", kLoopMax);
    if (!count) return std::unexpected(count.error());
    step.loop_max = *count;
    return read_inner(node, step);
  }

  Status read_parallel(YamlNode const& node, YamlNode const& own, DocumentStep& step) {
    if (own.kind != YamlNode::Kind::map || own.members.empty())
      return wrong(own, "parallel is a map: the name of each branch, and its steps");
    for (auto const& [name, branch] : own.members) {
      auto& into = step.branches.emplace_back(name, DocumentSteps{});
      DROVER_TRY(read_steps(branch, into.second));
    }
    return read_concurrency(node, step, kAllAtOnce);
  }

  Status read_block(YamlNode const& node, YamlNode const& own, DocumentStep& step) {
    DROVER_TRY(read_steps(own, step.steps));
    if (auto const* const output = node.find("output"))
      DROVER_TRY(read_value(*output, step.output));
    auto const* const handler = node.find("catch");
    if (handler == nullptr) return {};
    step.has_handler = true;
    return read_steps(*handler, step.handler);
  }

  std::string_view file_;
  std::set<std::string> ids_;
  std::size_t count_ = 0;
};

}  // namespace

bool is_document(std::string_view path) {
  return path.ends_with(".yaml") || path.ends_with(".yml");
}

Result<Document> parse_document(std::string_view text, std::string_view file) {
  if (text.size() > kDocumentBytesMax)
    return fail(ErrorCode::too_large, "{} is over {} bytes", printable(file, 300),
                kDocumentBytesMax);
  auto const tree = parse_yaml(text, file);
  if (!tree) return std::unexpected(tree.error());
  return DocumentReader{file}.document(*tree);
}

Result<Document> read_document(std::string const& path) {
  auto const text = os::read_file(path, kDocumentBytesMax);
  if (!text) return std::unexpected(text.error());
  return parse_document(*text, path);
}

}  // namespace drover::workflow
