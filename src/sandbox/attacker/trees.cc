// Files: the host's, those of other processes, and the ones to trap who reads a workspace later.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sandbox/attacker/attacks.h"
#include "sandbox/attacker/say.h"

namespace drover::attacker {

namespace {

int open_of(std::string const& path, int flags) {
  int const fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int const error = result(fd);
  if (fd >= 0) ::close(fd);
  return error;
}

std::string content_of(std::string const& path) {
  std::string text;
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return text;
  char buffer[65536];
  ssize_t const got = ::read(fd, buffer, sizeof buffer);
  if (got > 0) text.assign(buffer, static_cast<std::size_t>(got));
  ::close(fd);
  return text;
}

// The file's mode has the bit only where the kernel took it.
bool has_setuid(std::string const& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & (S_ISUID | S_ISGID)) != 0;
}

}  // namespace

int open_to_read(Arguments const& arguments) {
  for (auto const& path : arguments)
    say(path, open_of(path, O_RDONLY));
  return 0;
}

int open_to_write(Arguments const& arguments) {
  for (auto const& path : arguments)
    say(path, open_of(path, O_WRONLY));
  return 0;
}

int search_proc(Arguments const& arguments) {
  auto const& word = arguments[0];
  long long hits = 0;
  long long processes = 0;
  int largest = 0;
  DIR* const folder = ::opendir("/proc");
  if (folder == nullptr) return 1;
  while (dirent const* const entry = ::readdir(folder)) {
    int const pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    ++processes;
    largest = std::max(largest, pid);
    // Its own arguments name the word.
    if (pid == ::getpid()) continue;
    std::string const base = std::string{"/proc/"} + entry->d_name;
    for (char const* const file : {"/environ", "/cmdline", "/status", "/mountinfo"})
      if (content_of(base + file).find(word) != std::string::npos) ++hits;
  }
  ::closedir(folder);
  if (content_of("/proc/self/environ").find(word) != std::string::npos) ++hits;
  say_number("hits", hits);
  say_number("processes", processes);
  say_number("largest", largest);
  return 0;
}

int link_from(Arguments const& arguments) {
  say("link", result(::link(arguments[0].c_str(), arguments[1].c_str())));
  say("linkat", result(::linkat(AT_FDCWD, arguments[0].c_str(), AT_FDCWD,
                                (arguments[1] + "-at").c_str(), AT_SYMLINK_FOLLOW)));
  return 0;
}

int special_files(Arguments const& arguments) {
  auto const& folder = arguments[0];
  say("fifo", result(::mkfifo((folder + "/fifo").c_str(), 0666)));
  int const fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, (folder + "/socket").c_str(), sizeof to.sun_path - 1);
  say("socket", result(::bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to)));
  ::close(fd);
  say("character", result(::mknod((folder + "/null").c_str(), S_IFCHR | 0666, 0x103)));
  say("block", result(::mknod((folder + "/disk").c_str(), S_IFBLK | 0666, 0xfe00)));
  say("symlink", result(::symlink("/etc/shadow", (folder + "/link").c_str())));
  return 0;
}

// Every way to a file with the bit. "ok" only where it has it then.
int setuid_files(Arguments const& arguments) {
  auto const path = [&](char const* name) { return arguments[0] + "/" + name; };
  auto const verdict = [&](char const* name, int error) {
    say(name, error == 0 && !has_setuid(path(name)) ? ENODATA : error);
  };
  auto const plain = [&](char const* name) {
    return ::open(path(name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0755);
  };
  for (char const* const name : {"chmod", "chmod_group", "fchmod", "fchmodat", "fchmodat2"})
    ::close(plain(name));
  verdict("chmod", result(::chmod(path("chmod").c_str(), 04755)));
  verdict("chmod_group", result(::chmod(path("chmod_group").c_str(), 02755)));
  int const fd = plain("fchmod");
  verdict("fchmod", result(::fchmod(fd, 04755)));
  ::close(fd);
  verdict("fchmodat", result(::fchmodat(AT_FDCWD, path("fchmodat").c_str(), 04755, 0)));
  verdict("fchmodat2", result(::syscall(452, AT_FDCWD, path("fchmodat2").c_str(), 04755, 0)));
  verdict("open", result(::syscall(SYS_openat, AT_FDCWD, path("open").c_str(),
                                   O_CREAT | O_WRONLY | O_CLOEXEC, 04755)));
#if defined(SYS_creat)
  verdict("creat", result(::syscall(SYS_creat, path("creat").c_str(), 04755)));
#else
  verdict("creat", ENOSYS);
#endif
  verdict("mknod", result(::mknod(path("mknod").c_str(), S_IFREG | 04755, 0)));
  open_how how{};
  how.flags = O_CREAT | O_WRONLY | O_CLOEXEC;
  how.mode = 04755;
  verdict("openat2",
          result(::syscall(SYS_openat2, AT_FDCWD, path("openat2").c_str(), &how, sizeof how)));
  verdict("tmpfile", result(::syscall(SYS_openat, AT_FDCWD, arguments[0].c_str(),
                                      O_TMPFILE | O_RDWR | O_CLOEXEC, 04755)));
  int const capable = plain("capability");
  // Version 2, effective: CAP_SYS_ADMIN.
  unsigned const value[5] = {0x02000001, 1U << 21U, 0, 0, 0};
  say("capability", result(::fsetxattr(capable, "security.capability", value, sizeof value, 0)));
  ::close(capable);
  return 0;
}

// A folder, then a link in its place, then the folder again, as fast as it can.
int swap_link(Arguments const& arguments) {
  std::string const aside = arguments[0] + "-aside";
  std::string const link = arguments[0] + "-link";
  if (::symlink(arguments[1].c_str(), link.c_str()) != 0) return 1;
  say("swapping", 0);
  for (;;) {
    ::rename(arguments[0].c_str(), aside.c_str());
    ::rename(link.c_str(), arguments[0].c_str());
    ::rename(arguments[0].c_str(), link.c_str());
    ::rename(aside.c_str(), arguments[0].c_str());
  }
}

}  // namespace drover::attacker
