#pragma once
// Shared by this folder's tests: one launcher, temporary folders, and running a script inside.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <sstream>
#include <string>

#include "os/files.h"
#include "sandbox/launcher.h"

namespace drover::sandbox {

inline constexpr Millis kPatience{20'000};

inline Launcher& launcher() {
  static std::shared_ptr<Launcher> const shared = [] {
    auto made = Launcher::create();
    if (!made) ADD_FAILURE() << made.error().text();
    return *made;
  }();
  return *shared;
}

inline bool is_root() {
  return launcher().privilege() == Privilege::root;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/drover-sandbox-test-XXXXXX";
    EXPECT_NE(nullptr, ::mkdtemp(name));
    EXPECT_EQ(0, ::chmod(name, 0755));
    path_ = name;
  }
  ~TemporaryFolder() { EXPECT_TRUE(os::remove_tree(path_)); }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string next_id(std::string const& prefix) {
  static int count = 0;
  return prefix + "-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

inline SandboxSpec script_spec(std::string const& script) {
  SandboxSpec spec;
  spec.id = next_id("test");
  spec.argv = {"/bin/sh", "-c", script};
  spec.env = {"PATH=/usr/bin:/bin", "HOME=/home/agent"};
  return spec;
}

inline SandboxSpec attacker_spec(std::vector<std::string> arguments) {
  SandboxSpec spec;
  spec.id = next_id("test");
  spec.argv = {"/opt/attacker"};
  for (auto& argument : arguments)
    spec.argv.push_back(std::move(argument));
  spec.mounts.push_back({.source = *os::real_path(DROVER_ATTACKER), .target = "/opt/attacker"});
  return spec;
}

struct Outcome {
  std::string output;  // both streams
  SandboxExit exit;
};

// Runs to its end. The pipe holds 64 KiB, which is enough for what the tests print.
inline Outcome run(SandboxSpec spec) {
  int ends[2];
  EXPECT_EQ(0, ::pipe2(ends, O_CLOEXEC));
  os::Fd const read{ends[0]};
  os::Fd write{ends[1]};
  spec.out = spec.err = write.get();
  auto sandbox = launcher().launch(spec);
  write.reset();
  if (!sandbox) {
    ADD_FAILURE() << sandbox.error().text();
    return {};
  }
  auto const exit = sandbox->wait(kPatience);
  EXPECT_TRUE(exit && *exit) << "did not end";
  if (!exit || !*exit) return {};
  return {os::read_all(read.get(), "output", std::size_t{1} << 20U).value_or(""), **exit};
}

inline std::map<std::string, std::string> lines_of(std::string const& output) {
  std::map<std::string, std::string> lines;
  std::istringstream stream{output};
  std::string name, value;
  while (stream >> name >> value)
    lines[name] = value;
  return lines;
}

}  // namespace drover::sandbox
