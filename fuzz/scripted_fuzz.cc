// Any text as a script: it is refused with a sentence, or it answers requests with plans that keep
// their promises and that the decoder of the real API reads.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/model_stream.h"
#include "model/scripted.h"

namespace {

using drover::model::PlanStep;

void check(bool holds) {
  if (!holds) std::abort();
}

void try_request(drover::model::ScriptedModel const& model, std::string_view request,
                 drover::model::ScriptedAttempts& attempts) {
  drover::model::ModelStream stream;
  std::vector<drover::model::StreamItem> items;
  bool head = false;
  bool ended = false;
  bool good = true;
  int status = 0;
  for (PlanStep const& step : model.answer(request, "fuzz", attempts)) {
    check(!ended);
    if (step.kind == PlanStep::Kind::head) {
      check(!head);
      head = true;
      status = step.status;
    } else if (step.kind == PlanStep::Kind::bytes) {
      check(head);
      if (status == 200 && good) good = stream.feed(step.bytes, items).has_value();
    } else if (step.kind != PlanStep::Kind::wait) {
      ended = true;
    }
  }
  check(head || ended);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  auto const model = drover::model::ScriptedModel::parse(text);
  if (!model) {
    check(!model.error().message.empty());
    return 0;
  }
  drover::model::ScriptedAttempts attempts;
  for (int round = 0; round < 3; ++round) {
    try_request(*model, R"({"stream":true,"messages":[]})", attempts);
    try_request(
        *model,
        R"({"stream":true,"messages":[{"role":"assistant"},{"role":"user","content":"x"}]})",
        attempts);
  }
  // The input as a request to itself, and as a stream of the provider.
  static_cast<void>(model->answer(text, "fuzz", attempts));
  return 0;
}
