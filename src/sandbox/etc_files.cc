#include "sandbox/etc_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <climits>

namespace drover::sandbox {

std::vector<FileMount> etc_files(std::string const& hostname) {
  return {{"/etc/passwd",
           "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
           "agent:x:1000:1000:agent:/home/agent:/bin/sh\n"
           "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
          {"/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"},
          {"/etc/hosts", fmt::format("127.0.0.1 localhost {0}\n::1 localhost {0}\n", hostname)},
          {"/etc/hostname", hostname + "\n"},
          {"/etc/nsswitch.conf",
           "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"},
          {"/etc/resolv.conf", "# no network: use the unit socket\n"}};
}

std::string zone_link() {
  char zone[PATH_MAX];
  ssize_t const size = ::readlink("/etc/localtime", zone, sizeof zone);
  return size > 0 ? std::string{zone, static_cast<std::size_t>(size)} : "";
}

}  // namespace drover::sandbox
