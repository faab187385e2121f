#pragma once
// A run on the screen: which one is meant, following it to its end with transcript and footer, and
// Ctrl-C. Shared by run, send, attach, logs, events and diff. Blocking.
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "cli/command_line.h"
#include "cli/context.h"

namespace drover::cli {

struct RunRef {
  RunId run;
  SessionId session;
};

// `target` is a run, or a session, which stands for its last run; empty: the newest run.
[[nodiscard]] Result<RunRef> find_run(ApiClient& client, std::string const& target);
// The ids that a dispatch was answered with, or a Run of the API has under `run_key`.
[[nodiscard]] Result<RunRef> run_ref_of(json::object const& answer, std::string_view run_key);

struct RunView {
  Format format = Format::text;
  ShowDiff show_diff = ShowDiff::yes;
};

// Follows the run to its end and returns the exit code. Where the run asks something and a person
// is at the terminal, their answer is sent and the run that works on it is followed. The first
// Ctrl-C detaches; a second one within kCancelWindow cancels the run.
inline constexpr Millis kCancelWindow{2'000};
[[nodiscard]] int follow_run(Context const& context, ApiClient const& client, RunRef const& ref,
                             RunView view);

// Where the server is now, for connecting again.
[[nodiscard]] Result<Endpoint> locate_again(Context const& context);

}  // namespace drover::cli
