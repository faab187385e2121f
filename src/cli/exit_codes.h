#pragma once
// What the exit status of `drover` says. Stable: scripts depend on it.

namespace drover::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;         // the run failed, or the request was refused
inline constexpr int kExitUsage = 2;          // bad input, an unknown id among them
inline constexpr int kExitUnreachable = 3;    // no server answers
inline constexpr int kExitWaiting = 4;        // the run waits for a human
inline constexpr int kExitProcessFailed = 5;  // a workflow's process failed or halted its run
inline constexpr int kExitWouldChange = 6;    // a dry run found what it would change
inline constexpr int kExitInterrupted = 130;  // Ctrl-C, as shells count it

}  // namespace drover::cli
