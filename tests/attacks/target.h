#pragma once
// What the attacks are run against: a way to start one hostile program with these folders, limits
// and environment, and to see what came of it. Each backend has one, and all of them the same rows.
// Throws std::runtime_error where the set-up fails. Not thread-safe.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace drover::attacks {

enum class Access : std::uint8_t { ro, rw };

struct Folder {
  std::string source{};  // of the host: a folder, a file or a socket
  std::string target{};
  Access access = Access::rw;
};

// One program: the attacker with its arguments, or a shell script.
struct Attack {
  std::vector<std::string> arguments{};
  std::string script{};
  std::vector<Folder> folders{};
  std::vector<std::string> environment{};
  std::optional<std::uint64_t> memory_mb{};
  std::optional<std::uint64_t> pids{};
  std::optional<std::uint64_t> cpu_milli{};
  std::uint64_t tmp_mb = 64;
  std::uint64_t file_mb = 256;  // one file
};

struct Seen {
  std::string output{};  // both streams
  int exit_code = -1;    // 128 + signal where one ended it
  bool out_of_memory = false;

  // Of the lines "<name> <what came of it>"; "-" where there is no such line.
  [[nodiscard]] std::string of(std::string_view name) const;
  [[nodiscard]] long long number(std::string_view name) const;  // -1 where there is none
};

class Running {
 public:
  virtual ~Running() = default;
  // Until it has printed the line.
  virtual void await(std::string_view line) = 0;
  // Of the host's view; empty once all are gone.
  [[nodiscard]] virtual std::vector<int> processes() const = 0;
  virtual void kill() = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  // Why a limit ("memory", "pids", "cpu") cannot hold on this machine; empty where it can.
  [[nodiscard]] virtual std::string why_not(std::string_view limit) const = 0;
  [[nodiscard]] virtual Seen run(Attack const& attack) = 0;
  [[nodiscard]] virtual std::unique_ptr<Running> start(Attack const& attack) = 0;
  // Starts nothing where an asked limit cannot hold; the error's sentence.
  [[nodiscard]] virtual std::string refusal(Attack const& attack) = 0;
};

// The attacker on the host itself, for controls.
[[nodiscard]] Seen run_outside(std::vector<std::string> const& arguments,
                               std::vector<std::string> const& environment = {});

// Every target of this machine. Made once.
[[nodiscard]] std::vector<Target*> const& targets();

[[nodiscard]] std::unique_ptr<Target> make_process_target();

}  // namespace drover::attacks
