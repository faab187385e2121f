#pragma once
// Brings an index up to date with the work tree, as `git add -A` would, without git's hazards.
// Internal to the layer.
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "git/index_file.h"
#include "git/repository_impl.h"
#include "git/scan.h"

namespace drover::git {

struct StageLimits {
  std::size_t files_max = 50'000;
  std::size_t file_bytes_max = std::size_t{100} << 20U;
  std::size_t total_bytes_max = std::size_t{1} << 30U;
};

struct StageRequest {
  std::vector<std::string> excluded;
  StageLimits limits;
  std::chrono::milliseconds time_max{60'000};
};

// Takes the content of a blob (after conversion) and names it.
using BlobSink = std::function<Result<Oid>(std::string_view content)>;

struct Staged {
  std::vector<std::string> changed;  // paths, sorted
  std::vector<Skipped> skipped;      // sorted
  std::size_t refreshed = 0;         // entries whose content was the same under a new lstat
  std::vector<std::string> odd_attribute_files;
};

// Changes `index` in memory.
[[nodiscard]] Result<Staged> stage_all(Repository::Impl const& impl, IndexFile& index,
                                       StageRequest const& request, BlobSink const& sink);

// What differs, without reading new files: paths whose content is not what the index says.
[[nodiscard]] Result<Staged> look(Repository::Impl const& impl, IndexFile const& index,
                                  StageRequest const& request);

using TreeSink = std::function<Result<Oid>(std::string_view content)>;
// The root tree of the index; computes only folders that the cache tree does not know.
[[nodiscard]] Result<Oid> build_tree(IndexFile& index, TreeSink const& sink);

// Attributes of paths, with each folder's rules read once.
class AttributeReader {
 public:
  explicit AttributeReader(Repository::Impl const& impl);
  ~AttributeReader();
  [[nodiscard]] Result<PathAttributes> of(std::string const& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace drover::git
