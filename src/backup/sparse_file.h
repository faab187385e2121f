#pragma once
// A file that is written from its beginning to its end, where zeros cost no disk: a hostile file of
// gigabytes of nothing stays one. Not thread-safe.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "os/fd.h"

namespace drover::backup {

class SparseFile {
 public:
  // An empty file at its beginning.
  SparseFile(os::Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  // One without a name, in `folder`; gone with the object.
  [[nodiscard]] static Result<SparseFile> unnamed(std::string const& folder);

  [[nodiscard]] Status write(std::string_view bytes);
  // Gives the file its size.
  [[nodiscard]] Status finish();
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  os::Fd fd_;
  std::string name_;
  std::uint64_t size_ = 0;
};

}  // namespace drover::backup
