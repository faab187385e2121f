#pragma once
// One row of the attack table: what was tried, what came of it, and the control that shows that the
// try works where it is allowed. The table is printed when all have run. A row without a control
// fails: it might as well have tried nothing.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "attacks/target.h"

namespace drover::attacks {

class Row {
 public:
  Row(std::string id, std::string target, std::string attack);
  ~Row();
  Row(Row const&) = delete;
  Row& operator=(Row const&) = delete;

  // `got` has to be one of the allowed outcomes.
  void expect(std::string_view what, std::string const& got,
              std::vector<std::string> const& allowed);
  void holds(std::string_view what, bool held, std::string const& detail = "");
  void control(std::string_view what, bool held, std::string const& detail = "");
  // For the table, beside what expect() collects.
  void outcome(std::string text);

 private:
  std::string id_;
  std::string target_;
  std::string attack_;
  std::vector<std::string> outcomes_;
  int controls_ = 0;
  bool ok_ = true;
};

[[nodiscard]] std::string table();

class AttackTest : public ::testing::TestWithParam<Target*> {
 protected:
  [[nodiscard]] static Target& target() { return *GetParam(); }
  [[nodiscard]] static std::string name() { return GetParam()->name(); }
};

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string{name};
  }

 private:
  std::string path_;
};

}  // namespace drover::attacks

#define ATTACKS_ON_EVERY_TARGET(suite)                                               \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::ValuesIn(drover::attacks::targets()), \
                           [](auto const& info) { return info.param->name(); })
