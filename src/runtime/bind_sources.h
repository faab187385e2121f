#pragma once
// What a container engine binds into a workload. Where drover is root, a source whose owner is to
// appear as the agent becomes an idmapped mount below `folder`, which the engine can bind; where it
// is not, the engine binds the source itself.
//
// `folder` is a small tmpfs while there is such a mount. An engine in a mount namespace of its own
// sees neither and says that the source does not exist, instead of binding an empty folder.
// Everything here is taken away by unmounting and by removing empty folders, never by removing what
// is in them: behind each mount is somebody's workspace.
//
// All calls block; on pool threads, any number at once.
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/guarded.h"
#include "base/id.h"
#include "runtime/container_spec.h"
#include "sandbox/user_namespace.h"

namespace drover::runtime {

class BindSources {
 public:
  explicit BindSources(std::string folder) : folder_(std::move(folder)) {}

  // The mounts, files and read-only paths of `spec`, for an agent that is `agent` on the host.
  // On an error nothing is left.
  [[nodiscard]] Result<std::vector<BoundSource>> make(WorkloadId const& id,
                                                      sandbox::SandboxSpec const& spec,
                                                      uid_t agent);
  // Once the container has started it holds them itself. The unknown is no error.
  [[nodiscard]] Status release(WorkloadId const& id);
  // All of an earlier process.
  [[nodiscard]] Status clear();

 private:
  [[nodiscard]] Status open_folder();
  [[nodiscard]] Status add_mount(sandbox::Mount const& mount, uid_t agent, std::string const& place,
                                 std::vector<BoundSource>& binds);
  [[nodiscard]] Status add_file(sandbox::FileMount const& file, uid_t agent,
                                std::string const& place, std::vector<BoundSource>& binds);

  std::string folder_;
  sandbox::UserNamespaces namespaces_;
  Guarded<bool> open_{false};  // the tmpfs is there
};

}  // namespace drover::runtime
