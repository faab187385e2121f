#pragma once
// A folder of the user, and the git program on it. Throws std::runtime_error when git fails.
#include <string>
#include <vector>

#include "harness/program.h"

namespace drover::harness {

class Repository {
 public:
  Repository(std::string path, std::vector<std::string> environment)
      : path_(std::move(path)), environment_(std::move(environment)) {}

  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::string file(std::string const& name) const { return path_ + "/" + name; }
  void write(std::string const& name, std::string const& text) const;
  [[nodiscard]] std::string read(std::string const& name) const;  // empty where there is none
  [[nodiscard]] bool has(std::string const& name) const;

  // The output without its last newline.
  std::string git(std::vector<std::string> const& arguments) const;
  void commit_all(std::string const& subject) const;
  [[nodiscard]] std::string head() const { return git({"rev-parse", "HEAD"}); }
  // As the user sees it; empty for a clean tree.
  [[nodiscard]] std::string status() const { return git({"status", "--porcelain"}); }
  [[nodiscard]] std::string show(std::string const& format,
                                 std::string const& commit = "HEAD") const {
    return git({"show", "-s", "--format=" + format, commit});
  }
  [[nodiscard]] std::size_t commits(std::string const& range = "HEAD") const;

 private:
  std::string path_;
  std::vector<std::string> environment_;
};

}  // namespace drover::harness
