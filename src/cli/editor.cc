#include "cli/editor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.h"
#include "cli/document.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::cli {

namespace {

// Ctrl-C on the terminal is the editor's while it runs.
class InterruptsIgnored {
 public:
  InterruptsIgnored() {
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, &interrupt_);
    ::sigaction(SIGQUIT, &ignore, &quit_);
  }
  ~InterruptsIgnored() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGQUIT, &quit_, nullptr);
  }
  InterruptsIgnored(InterruptsIgnored const&) = delete;
  InterruptsIgnored& operator=(InterruptsIgnored const&) = delete;

 private:
  struct sigaction interrupt_{};
  struct sigaction quit_{};
};

// Unlike os::Process in this session and on this terminal, which an editor needs.
Status run_on_terminal(std::string const& editor, std::string const& path) {
  InterruptsIgnored const ignored;
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t usual;
  ::sigemptyset(&usual);
  ::sigaddset(&usual, SIGINT);
  ::sigaddset(&usual, SIGQUIT);
  ::posix_spawnattr_setsigdefault(&attributes, &usual);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::string line = editor + " \"$@\"";
  std::string file = path;
  std::string words = editor;
  std::array<char, 3> shell = {'s', 'h', '\0'};
  std::array<char, 3> option = {'-', 'c', '\0'};
  std::array<char*, 6> const arguments = {shell.data(), option.data(), line.data(),
                                          words.data(), file.data(),   nullptr};
  pid_t pid = 0;
  int const failed =
      ::posix_spawn(&pid, "/bin/sh", nullptr, &attributes, arguments.data(), ::environ);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) return std::unexpected(system_error(failed, "start", "/bin/sh"));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("wait for", "the editor");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::invalid_argument, "the editor '{}' ended with {} {}",
              printable(editor, 80), WIFEXITED(status) ? "status" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

}  // namespace

Result<EditedFile> EditedFile::create(Environment const& environment, std::string_view name,
                                      std::string_view ending, std::string_view text) {
  std::string path =
      fmt::format("{}/drover-{}-XXXXXX{}", environment("TMPDIR").value_or("/tmp"), name, ending);
  os::Fd const file{::mkostemps(path.data(), static_cast<int>(ending.size()), O_CLOEXEC)};
  if (file.get() < 0) return fail_errno("create", path);
  DROVER_TRY(os::write_all(file.get(), text, path));
  return EditedFile{std::move(path)};
}

Result<std::string> EditedFile::edit(Environment const& environment) const {
  std::string editor = environment("VISUAL").value_or("");
  if (editor.empty()) editor = environment("EDITOR").value_or("");
  if (editor.empty())
    return fail_next(ErrorCode::invalid_argument, "neither VISUAL nor EDITOR names an editor",
                     "say one: EDITOR=vi drover …, or change members with --set");
  DROVER_TRY(run_on_terminal(editor, path_));
  return read();
}

Result<std::string> EditedFile::read() const {
  return os::read_file(path_, kDocumentBytesMax);
}

void EditedFile::remove() const {
  ::unlink(path_.c_str());
}

}  // namespace drover::cli
