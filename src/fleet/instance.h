#pragma once
// One replica of a resident agent: a long-lived container with a state volume. Plain values.
#include <sys/types.h>

#include <compare>
#include <string>
#include <string_view>

#include "base/id.h"
#include "runtime/runtime.h"

namespace drover::fleet {

inline constexpr std::string_view kPrefixUsual = "drover";
inline constexpr std::string_view kStatePlace = "/state";  // inside
inline constexpr std::string_view kResidentProfile = "resident";

struct Replica {
  std::string agent{};
  int number = 1;
  friend auto operator<=>(Replica const&, Replica const&) = default;
};

struct Instance {
  std::string name{};  // "dev", and of the second replica "dev-2"
  Replica of{};
  std::string backend{};             // "process", "docker"
  runtime::WorkloadSpec workload{};  // the container, but for a named volume
  std::string volume{};              // at kStatePlace; with a backend that has named volumes
  std::string hash{};                // spec_hash()
  uid_t uid = 0;  // of its program and its files on the host; 0 where drover is not root
};

// The first replica has its agent's name.
[[nodiscard]] std::string instance_name(Replica const& replica);
// A slug, whatever the length of the name.
[[nodiscard]] WorkloadId workload_id(std::string_view instance);
// As people see it.
[[nodiscard]] std::string container_name(std::string_view prefix, std::string_view instance);
// Of one that is made while the one before it still runs. No agent's name has a dot in it.
[[nodiscard]] std::string next_name(std::string_view prefix, std::string_view instance);
[[nodiscard]] std::string volume_name(std::string_view prefix, std::string_view instance);

// The same for two instances whose containers need not differ, across restarts; `program` is the
// digest of what runs inside. Says nothing about the environment in it. What is read for each turn
// (description, prompt, model) is no part of it.
[[nodiscard]] std::string spec_hash(Instance const& instance, std::string_view program);

}  // namespace drover::fleet
