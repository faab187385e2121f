#pragma once
// A text in the user's editor: a file of its own that stays until it is removed, so that nothing
// that was typed is lost. Blocking; starts a process on this one's terminal.
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/style.h"

namespace drover::cli {

class EditedFile {
 public:
  // "drover-reviewer-XXXXXX.toml" in $TMPDIR, else in /tmp; mode 0600.
  [[nodiscard]] static Result<EditedFile> create(Environment const& environment,
                                                 std::string_view name, std::string_view ending,
                                                 std::string_view text);

  // $VISUAL, else $EDITOR, as a line of the shell with the file behind it, until it ends: what the
  // file holds then. An editor that fails is an error, and so is none.
  [[nodiscard]] Result<std::string> edit(Environment const& environment) const;
  [[nodiscard]] Result<std::string> read() const;
  [[nodiscard]] std::string const& path() const { return path_; }
  void remove() const;

 private:
  explicit EditedFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace drover::cli
