#pragma once
// For this folder's tests: the runs in testdata/, which the SDK made, and folders to work on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "os/files.h"
#include "workflow/run_folder.h"

namespace drover::workflow::testing {

inline std::string const kData = WORKFLOW_TESTDATA;

inline std::string read(std::string const& path) {
  auto text = os::read_file(path);
  EXPECT_TRUE(text) << path;
  return text.value_or("");
}

// Those with this file, sorted: "v6/completed".
inline std::vector<std::string> runs() {
  std::vector<std::string> found;
  for (auto const* const generation : {"v0", "v6"})
    for (auto const& entry : std::filesystem::directory_iterator{kData + "/" + generation})
      if (std::filesystem::exists(entry.path() / "run.json"))
        found.push_back(std::string{generation} + "/" + entry.path().filename().string());
  std::ranges::sort(found);
  return found;
}

inline std::vector<std::string> files_in(std::string const& folder) {
  std::vector<std::string> names;
  if (!std::filesystem::exists(folder)) return names;
  for (auto const& entry : std::filesystem::directory_iterator{folder})
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

// What the SDK printed on a copy of a run; empty where nothing is known.
inline std::string expected(std::string const& run, std::string const& what) {
  auto const slash = run.find('/');
  std::string const path =
      kData + "/" + run.substr(0, slash) + "/expected" + run.substr(slash) + "/" + what;
  return std::filesystem::exists(path) ? read(path) : "";
}

class Scratch : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "drover-workflow-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { EXPECT_TRUE(os::remove_tree(folder_)); }

  // A copy of one of runs(), beside the processes that it names.
  RunFolder copy(std::string const& run) {
    std::string const target = folder_ + "/" + run;
    std::filesystem::create_directories(target);
    std::filesystem::copy(kData + "/" + run, target,
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    if (!std::filesystem::exists(folder_ + "/processes"))
      std::filesystem::copy(kData + "/processes", folder_ + "/processes",
                            std::filesystem::copy_options::recursive);
    return RunFolder{target};
  }

  std::string folder_;
  SystemClock system_clock_;
  ManualClock clock_;
  SeededRandom random_{42};
};

}  // namespace drover::workflow::testing
