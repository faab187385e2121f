#include "workspace/private_paths.h"

namespace drover::workspace {

std::vector<std::string> private_paths() {
  return {".claude/.session", ".claude/sessions/", ".claude/projects/", ".drover/"};
}

std::vector<std::string> private_patterns() {
  std::vector<std::string> patterns;
  for (std::string const& path : private_paths())
    patterns.push_back("/" + path);
  return patterns;
}

}  // namespace drover::workspace
