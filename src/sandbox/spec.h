#pragma once
// What a sandbox is to be: built by the server, never by a caller or an agent. Values only.
// Inside, the program is pid 1 and runs as uid and gid 1000 ("agent") without capabilities, in a
// root made from nothing: /usr read-only with its links (or a root file system of its own), a small
// generated /etc, a fresh /proc, five device nodes, the tmpfs mounts and the mounts listed here. No
// network but its own loopback.
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::sandbox {

inline constexpr uid_t kAgentUid = 1000;  // as seen inside
inline constexpr std::string_view kAgentHome = "/home/agent";
inline constexpr std::size_t kMountsMax = 64;
inline constexpr std::size_t kDescriptorsMax = 16;
inline constexpr int kDescriptorNumberMax = 63;
inline constexpr std::size_t kArgumentBytesMax = std::size_t{1} << 20U;  // argv and env together
inline constexpr std::size_t kFileContentBytesMax = std::size_t{64} << 10U;

enum class MountMode : std::uint8_t { ro, rw };

// Whose ids the files have inside.
enum class Ownership : std::uint8_t {
  as_on_disk,
  // The owner of `source` appears as the agent, and what the agent creates belongs to that owner
  // on disk: an idmapped mount where drover is root, the user namespace itself where it is not.
  owner_is_agent,
};

// A folder, file or unix socket of the host at `target`. Mounted in the listed order, so a later
// one may cover part of an earlier one (the read-only `.git` of a writable workspace). A target
// inside an earlier mount must exist there already; any other is created.
struct Mount {
  std::string source{};  // canonical: no part of it may be a symbolic link
  std::string target{};  // absolute, inside
  MountMode mode = MountMode::ro;
  Ownership ownership = Ownership::as_on_disk;
};

// A small read-only file that exists only inside, at a target with the rule of Mount: a `.git`
// file that points a linked worktree to the repository as mounted.
struct FileMount {
  std::string target{};
  std::string content{};
};

struct Tmpfs {
  std::string target{};
  std::uint64_t size_mb = 64;  // counts as memory of the sandbox
};

// A limit that somebody asked for is a refusal where it cannot be enforced; a default is then left
// out and named in Sandbox::unenforced().
enum class LimitOrigin : std::uint8_t { defaulted, asked };
struct Limit {
  std::uint64_t value = 0;  // 0 = none
  LimitOrigin origin = LimitOrigin::defaulted;
};

struct Limits {
  Limit memory_mb{.value = 2048};
  Limit pids{.value = 512};
  Limit cpu_milli{};                  // thousandths of one CPU
  std::uint64_t file_size_mb = 8192;  // one file; RLIMIT_FSIZE; 0 = none
  // What the writable folders may grow by until they are frozen next; measured, so some more may
  // have been written before the end comes (growth.h). 0 = none
  std::uint64_t disk_mb = 0;
  std::uint64_t open_files = 4096;  // RLIMIT_NOFILE
};

// The program's descriptor `number` (3 to kDescriptorNumberMax) is this process's `fd`.
struct InheritedFd {
  int fd = -1;
  int number = -1;
};

// Landlock is the second wall behind the mounts. Without it the first still stands; a host that
// lacks it is refused unless this says otherwise.
// `by_program`: a program of drover's own, which puts each of its children behind it once that
// one's mounts are there.
enum class SecondWall : std::uint8_t { required, if_available, by_program };

// How long the sandbox may run.
enum class Lifetime : std::uint8_t {
  own,  // until it ends, or somebody kills it; who started it may be followed by another
  // Killed when the thread that launched it ends, however that comes: for what is of no use to
  // anybody else. Where bubblewrap makes the sandbox, it is only swept by the next drover.
  launching_thread,
};

struct SandboxSpec {
  std::string id{};                 // a slug; its control groups are named drover-<id>
  std::vector<std::string> argv{};  // argv[0] is an absolute path inside
  std::vector<std::string> env{};   // complete, "NAME=value"; nothing is inherited
  std::string cwd = "/";
  std::vector<Mount> mounts{};
  std::vector<FileMount> files{};  // after the mounts
  std::vector<Tmpfs> tmpfs{{"/tmp", 512}, {"/home/agent", 256}, {"/dev/shm", 64}};
  // Folders of root's, in which mounts can be made while the sandbox runs. Needs root.
  std::vector<std::string> places{};
  // An unpacked root file system of the host (canonical), read-only, whose programs are there in
  // the place of the host's; empty: the host's /usr.
  std::string rootfs{};
  std::vector<std::string> extra_ro_paths{};  // of the host, at the same path; missing ones refused
  std::string hostname = "drover";
  uid_t session_uid = 200'000;  // on the host, where drover is root; never 0
  Limits limits;
  SecondWall landlock = SecondWall::required;
  Lifetime lifetime = Lifetime::own;
  int in = -1;  // this process's descriptors for the three streams; -1 is /dev/null
  int out = -1;
  int err = -1;
  std::vector<InheritedFd> inherited{};
};

// Shapes and bounds only; the error names the part.
[[nodiscard]] Status validate(SandboxSpec const& spec);

}  // namespace drover::sandbox
