#pragma once
// A new folder that nobody else looks into (mode 0700), removed with the object unless it is kept.
#include <string>

#include "base/error.h"

namespace drover::backup {

class OwnFolder {
 public:
  // `pattern` ends in XXXXXX.
  [[nodiscard]] static Result<OwnFolder> make(std::string pattern);
  OwnFolder(OwnFolder&& other) noexcept;
  OwnFolder& operator=(OwnFolder&&) = delete;
  ~OwnFolder();

  [[nodiscard]] std::string const& path() const { return path_; }
  // Another name, on the same file system.
  [[nodiscard]] Status rename(std::string const& path);
  void keep() { path_.clear(); }

 private:
  explicit OwnFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace drover::backup
