#pragma once
// A workflow as a YAML file of steps, for those who do not write code: what is in it, checked. What
// it means is in docs/workflows.md; document_process.h runs it. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "workflow/expression.h"
#include "workflow/process.h"

namespace drover::workflow {

enum class StepKind : std::uint8_t {
  shell,
  node,
  agent,
  task,
  breakpoint,
  sleep,
  signal,
  child,
  for_each,
  loop,
  parallel,
  block,
  set,
  fail,
  halt,
  log,
};

struct DocumentStep;
using DocumentSteps = std::vector<DocumentStep>;

struct DocumentStep {
  StepKind kind = StepKind::block;
  std::string id{};     // empty: nothing refers to it
  std::string label{};  // what people see
  int line = 0;
  std::optional<Expression> condition{};
  // What the kind's own member says, and those beside it; texts are still to be rendered, but for
  // the command of a shell.
  json::value body{};
  json::object more{};
  Retry retry{};
  std::optional<Millis> timeout{};
  std::optional<Millis> heartbeat{};  // ended where nothing is heard of it for so long
  bool continue_on_error = false;

  DocumentSteps steps{};    // of for_each, loop and block
  DocumentSteps handler{};  // of a block: its catch
  bool has_handler = false;
  std::vector<std::pair<std::string, DocumentSteps>> branches{};  // of parallel
  std::string variable = "item";                                  // of for_each
  std::size_t concurrency = 1;                                    // of for_each and parallel
  std::optional<Expression> loop_while{};
  std::optional<Expression> loop_until{};
  std::int64_t loop_max = 0;
  std::optional<json::value> output{};  // of for_each and block; nullopt: its last step's result
};

struct Document {
  std::string name{};
  json::object defaults{};              // of inputs
  std::vector<std::string> inputs{};    // all that it names
  std::vector<std::string> required{};  // those without a default
  DocumentSteps steps{};
  std::optional<json::value> output{};  // nullopt: the last step's result
  std::size_t size = 0;                 // how many steps there are in all
};

[[nodiscard]] bool is_document(std::string_view path);  // by its name: .yaml, .yml

inline constexpr std::size_t kDocumentBytesMax = std::size_t{1} << 20U;
// invalid_argument: "FILE:LINE:COLUMN: what is wrong".
[[nodiscard]] Result<Document> parse_document(std::string_view text, std::string_view file);
[[nodiscard]] Result<Document> read_document(std::string const& path);

}  // namespace drover::workflow
