#pragma once
// The files of /etc that a sandbox has of its own, whoever makes it.
#include <string>
#include <vector>

#include "sandbox/spec.h"

namespace drover::sandbox {

[[nodiscard]] std::vector<FileMount> etc_files(std::string const& hostname);
// Where the host's /etc/localtime leads, by name, as programs look for it below
// /usr/share/zoneinfo; empty where it is no link.
[[nodiscard]] std::string zone_link();

}  // namespace drover::sandbox
