#pragma once
// For tests of workflows that a server drives.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "workflows/flow.h"

namespace drover::harness {

class DrivenTest : public ::testing::Test {
 protected:
  static constexpr Millis kPatience{40'000};

  void process(std::string const& source) { flow_.rewrite(source); }
  // Starts a workflow on the server, which works in root().
  void start(std::string const& id, json::object more = {}) {
    more["id"] = json::string{id};
    more["entry"] = json::string{flow_.entry()};
    more["cwd"] = json::string{flow_.root()};
    auto const answer = flow_.world().api().post("/api/v1/workflows", more);
    ASSERT_EQ(answer.status, 201) << answer.text;
  }
  json::object get(std::string const& path) {
    auto const answer = flow_.world().api().get("/api/v1/workflows/" + path);
    EXPECT_EQ(answer.status, 200) << answer.text;
    return answer.body;
  }
  int post(std::string const& path, json::object const& body) {
    return flow_.world().api().post("/api/v1/workflows/" + path, body).status;
  }
  bool comes_to(std::string const& id, std::string const& state) {
    return eventually([&] { return get(id).at("state").as_string() == state; }, kPatience);
  }
  json::value output(std::string const& id) { return get(id).at("output"); }
  // The id of the one effect that waits.
  std::string waits(std::string const& id) {
    std::string effect;
    EXPECT_TRUE(eventually(
        [&] {
          auto const tasks = get(id + "/tasks?pending=true").at("tasks").as_array();
          if (tasks.size() != 1) return false;
          effect = tasks.at(0).at("effectId").as_string();
          return true;
        },
        kPatience));
    return effect;
  }

  Flow flow_{""};
};

}  // namespace drover::harness
