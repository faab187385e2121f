#pragma once
// What a container engine says (Docker's Engine API from 1.41, and Podman's of the same shape), as
// values. Pure. An engine is trusted, yet what does not fit is an error and never a guess.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"

namespace drover::runtime {

// Labels of every container of drover's.
inline constexpr std::string_view kServerLabel = "dev.drover.server";
inline constexpr std::string_view kWorkloadLabel = "dev.drover.workload";
inline constexpr std::string_view kSpecLabel = "dev.drover.spec";
inline constexpr std::string_view kUserLabel = "dev.drover.uid";
// Those of the fleet have this in the place of kServerLabel: to the backend they are nobody's.
inline constexpr std::string_view kFleetLabel = "dev.drover.fleet";
inline constexpr std::string_view kAgentLabel = "dev.drover.agent";
inline constexpr std::string_view kInstanceLabel = "dev.drover.instance";
inline constexpr std::string_view kImageLabel = "dev.drover.image";  // its name, as asked for

inline constexpr std::size_t kEngineReplyBytesMax = std::size_t{8} << 20U;
inline constexpr std::size_t kEngineLineBytesMax = std::size_t{1} << 20U;

// The version of the API to speak: the newest that both sides know. unsupported where there is
// none.
[[nodiscard]] Result<std::string> choose_api_version(std::string_view version_reply);
// Podman serves the same API and means another thing by some of it.
[[nodiscard]] bool is_podman(std::string_view version_reply);

// What the engine can do, and how it was set up.
struct EngineFacts {
  std::string os{};
  std::string version{};       // for people
  std::string architecture{};  // as uname -m says it
  bool podman = false;
  bool rootless = false;  // its root is the user that runs it
  bool remapped = false;  // ids in its containers are others on the host
  bool seccomp = false;
  bool memory_limit = false;
  bool swap_limit = false;
  bool pids_limit = false;
  bool cpu_limit = false;
  std::set<std::string> runtimes{};
};
[[nodiscard]] Result<EngineFacts> parse_engine_facts(std::string_view info_reply);

struct ImageFacts {
  std::vector<std::string> volumes{};  // folders that it declares as such
};
[[nodiscard]] Result<ImageFacts> parse_image(std::string_view reply);

enum class ContainerState : std::uint8_t { created, running, paused, ended };

struct Container {
  std::string id{};
  ContainerState state = ContainerState::created;
  std::string server{};  // of the labels; empty where there is none
  std::string workload{};
  std::string spec{};
  std::optional<std::uint32_t> user{};
  std::string fleet{};  // of the labels of the fleet, as are the next two
  std::string agent{};
  std::string instance{};
  std::string name{};        // as people see it
  bool restarting = false;   // it has ended, and the engine starts it again by itself
  bool removing = false;     // the engine takes it away
  bool image_moved = false;  // the name of its image means another image by now, or none
};
// Of the list of containers.
[[nodiscard]] Result<std::vector<Container>> parse_containers(std::string_view reply);

struct ContainerEnd {
  ContainerState state = ContainerState::ended;
  std::optional<int> exit_code{};
  bool out_of_memory = false;
  std::string error{};                // why the engine could not start it
  int pid = 0;                        // of its program on the engine's machine, while it runs
  std::int64_t restarts = 0;          // by the engine itself
  std::optional<WallTime> started{};  // the last time
  std::string image{};                // its id
  bool restarting = false;
};
// Of the inspection of one.
[[nodiscard]] Result<ContainerEnd> parse_inspection(std::string_view reply);

// The id of a container that was made.
[[nodiscard]] Result<std::string> parse_created(std::string_view reply);

enum class EngineAction : std::uint8_t {
  started,
  altered,  // paused, thawed or renamed
  ended,
  out_of_memory,
  removed,
  other,
};
struct EngineEvent {
  EngineAction action = EngineAction::other;
  std::string container{};
  std::optional<int> exit_code{};  // of one that has ended
};
struct Volume {
  std::string place{};  // its folder on the engine's machine
  std::string fleet{};  // of the labels; empty where there is none
  std::string instance{};
};
// Of the inspection of one.
[[nodiscard]] Result<Volume> parse_volume(std::string_view reply);

struct ContainerUsage {
  std::uint64_t memory_bytes = 0;
  std::uint64_t cpu_us = 0;
};
[[nodiscard]] Result<ContainerUsage> parse_usage(std::string_view reply);

// One line of the stream of events.
[[nodiscard]] Result<EngineEvent> parse_engine_event(std::string_view line);

// Cuts a stream into lines, whatever pieces it comes in. too_large for a line that is none.
class LineSplitter {
 public:
  [[nodiscard]] Result<std::vector<std::string>> feed(std::string_view bytes);

 private:
  std::string pending_;
};

// One line of the answer to a pull: an error ends it, everything else is progress, in words.
[[nodiscard]] Result<std::string> parse_pull_progress(std::string_view line);

// Both streams of a container's output in the order in which they came, out of their frames
// (output_frames.h). Of a frame that is cut off, what has come.
[[nodiscard]] Result<std::string> parse_output(std::string_view frames);

// What an engine's refusal means. `what` was tried, as in "create the container of workload x".
[[nodiscard]] Error engine_refusal(std::string_view what, int status, std::string_view body);

// repository[:tag][@digest], of bounded length.
[[nodiscard]] bool is_image_name(std::string_view text);
struct ImageName {
  std::string repository;
  std::string tag;  // or the digest; "latest" where there is neither
};
[[nodiscard]] ImageName split_image_name(std::string_view text);

}  // namespace drover::runtime
