#pragma once
// Run directories of any length for the `replay` benchmark, in a folder that goes with it. They are
// made without syncs: what is measured is what is done with them. One thread.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/history.h"
#include "workflow/run_folder.h"

namespace drover::bench {

class ReplayScene {
 public:
  explicit ReplayScene(std::string folder) : folder_(std::move(folder)) {}
  ~ReplayScene();
  ReplayScene(ReplayScene const&) = delete;
  ReplayScene& operator=(ReplayScene const&) = delete;

  [[nodiscard]] Status prepare();
  [[nodiscard]] std::string runs() const { return folder_ + "/runs"; }
  // A process that asks for `inputs.n` steps, one after another.
  [[nodiscard]] std::string entry() const { return folder_ + "/many.mjs"; }

  // A run that asks for `wanted` effects, of which `resolved` have ended. The steps' names are of
  // this generation: the SDK from npm knows only the counted ones.
  [[nodiscard]] Result<workflow::RunFolder> make_run(std::string id, std::int64_t resolved,
                                                     std::int64_t wanted,
                                                     workflow::Generation generation);

  SystemClock clock_;
  SystemRandom random_;

 private:
  void put_event(workflow::RunFolder const& run, workflow::EventName& head, std::string_view type,
                 json::object data);
  void put_effect(workflow::RunFolder const& run, workflow::EventName& head, std::int64_t i,
                  workflow::Generation generation);

  std::string folder_;
};

struct RunSize {
  double bytes = 0;
  double files = 0;
};
[[nodiscard]] RunSize size_of(workflow::RunFolder const& run);

}  // namespace drover::bench
