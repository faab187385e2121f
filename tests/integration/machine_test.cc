// Machines and state folders that are not as they should be: one sentence, the fix, the exit code.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "store/database.h"

namespace drover::harness {
namespace {

constexpr std::string_view kYes = R"([{"repeat": 100, "text": "Yes."}])";

Outcome run_as_is(World const& world, std::vector<std::string> arguments) {
  return run_program({std::move(arguments), world.environment(), world.root(), std::string{}});
}

// Both ways in say it; nothing runs and nothing is left.
void expect_no_start(World& world, std::vector<std::string> const& before,
                     std::vector<std::string> const& sentences) {
  auto const repository = world.repository("project");
  auto const model = world.model(kYes);
  for (auto const& command :
       {std::vector<std::string>{"up"},
        std::vector<std::string>{"run", "-w", repository.path(), "--model", model, "go"}}) {
    auto arguments = before;
    arguments.insert(arguments.end(), command.begin(), command.end());
    auto const outcome = run_as_is(world, arguments);
    EXPECT_EQ(outcome.exit_code, 3) << outcome.text();
    for (std::string const& sentence : sentences)
      EXPECT_TRUE(outcome.err.contains(sentence)) << sentence << " in " << outcome.text();
  }
  EXPECT_FALSE(std::filesystem::exists(world.state_folder() + "/server.json"));
}

TEST(Machine, WithoutLandlockNothingStarts) {
  World world;
  expect_no_start(world, {HARNESS_WITHOUT_LANDLOCK, World::drover_program()},
                  {"no Landlock", "boot a kernel from 5.13 on"});
}

TEST(Machine, WithoutUserNamespacesNothingStarts) {
  World world;
  // The limit is one of the new user namespace, not the machine's.
  std::string const script =
      R"(grep -q 4294967295 /proc/self/uid_map && exit 99
         echo 0 > /proc/sys/user/max_user_namespaces || exit 99
         exec "$0" "$@")";
  std::vector<std::string> const nested = {
      "/usr/bin/unshare",     "--user", "--map-root-user", "/bin/sh", "-c", script,
      World::drover_program()};
  auto probe = nested;
  probe.back() = "/bin/true";
  if (auto const possible = run_as_is(world, probe); possible.exit_code != 0)
    GTEST_SKIP() << "this machine lets us make no such user namespace: " << possible.text();
  expect_no_start(world, nested, {"create its namespaces", "sysctl -w user.max_user_namespaces"});
}

std::map<std::string, json::object> layers_of(Outcome const& outcome) {
  std::map<std::string, json::object> layers;
  for (auto const& layer : outcome.lines())
    layers[text_of(layer, "layer")] = layer;
  return layers;
}

// The doctor and a server that starts say the same.
TEST(Machine, TheDoctorTellsEveryLayerWithoutAServer) {
  World world;
  auto const folder = world.folder("project");
  auto const outcome = world.drover({"doctor", "--json", "-w", folder.path()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  auto const layers = layers_of(outcome);
  for (std::string const name : {"namespaces", "mounts", "network", "uids", "seccomp", "ownership",
                                 "freeze", "kill", "state folder"}) {
    ASSERT_TRUE(layers.contains(name)) << name;
    EXPECT_NE(text_of(layers.at(name), "state"), "missing") << outcome.text();
  }
  EXPECT_FALSE(std::filesystem::exists(world.state_folder()));
  auto const text = world.drover({"doctor"});
  EXPECT_EQ(text.exit_code, 0) << text.text();
  EXPECT_TRUE(text.out.contains("namespaces")) << text.text();
  auto const lost = world.drover({"doctor", "-w", world.root() + "/nowhere"});
  EXPECT_EQ(lost.exit_code, 2) << lost.text();
}

TEST(Machine, TheDoctorNamesWhatIsMissingWithItsFixAndFails) {
  World world;
  auto const outcome =
      run_as_is(world, {HARNESS_WITHOUT_LANDLOCK, World::drover_program(), "doctor", "--json"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  auto const layers = layers_of(outcome);
  ASSERT_TRUE(layers.contains("landlock")) << outcome.text();
  EXPECT_EQ(text_of(layers.at("landlock"), "state"), "missing");
  EXPECT_TRUE(text_of(layers.at("landlock"), "fix").contains("lsm="));
  EXPECT_EQ(text_of(layers.at("namespaces"), "state"), "enforced") << outcome.text();
  EXPECT_TRUE(outcome.err.contains("no Landlock")) << outcome.text();
}

TEST(Machine, AMissingUnitProgramIsToldByUp) {
  World world;
  std::filesystem::create_directories(world.root() + "/bin");
  std::string const program = world.root() + "/bin/drover";
  std::filesystem::copy_file(World::drover_program(), program);
  expect_no_start(world, {program}, {"drover-unit", world.root() + "/bin"});
}

TEST(Machine, AStateFolderOfAnotherUserIsNamed) {
  World world;
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  std::filesystem::create_directories(world.root() + "/bin");
  std::filesystem::create_directories(world.state_folder());
  std::string const program = world.root() + "/bin/drover";
  std::filesystem::copy_file(World::drover_program(), program);
  std::ofstream{world.state_folder() + "/server.json"} << "{}";
  using std::filesystem::perms;
  std::filesystem::permissions(world.root(), perms::owner_all | perms::others_exec);
  std::filesystem::permissions(world.state_folder(), perms::owner_all);
  for (std::string const& command : {std::string{"up"}, std::string{"ps"}}) {
    auto const outcome = run_as_is(world, {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                                           "--clear-groups", program, command});
    EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
    EXPECT_TRUE(outcome.err.contains(world.state_folder())) << outcome.text();
    EXPECT_TRUE(outcome.err.contains("DROVER_STATE_DIR")) << outcome.text();
  }
}

// Nobody has a control group of their own to write to.
TEST(Machine, ALimitThatCannotHoldIsToldAtTheStart) {
  World world;
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  std::string const home = world.root() + "/nobody";
  std::filesystem::create_directories(home);
  for (std::string const& name : {std::string{"drover"}, std::string{"drover-unit"}})
    std::filesystem::copy_file(std::filesystem::path{World::drover_program()}.parent_path() / name,
                               home + "/" + name);
  ASSERT_EQ(::chown(home.c_str(), 65534, 65534), 0);
  using std::filesystem::perms;
  std::filesystem::permissions(world.root(), perms::owner_all | perms::others_exec);
  world.set_variable("DROVER_STATE_DIR", home + "/state");
  auto const as_nobody = [&](std::string const& command) {
    return run_as_is(world, {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                             home + "/drover", command});
  };
  auto const up = as_nobody("up");
  EXPECT_EQ(up.exit_code, 0) << up.text();
  EXPECT_TRUE(up.err.contains("the memory limit of runs is not enforced")) << up.text();
  EXPECT_TRUE(up.err.contains("-p Delegate=yes drover up")) << up.text();
  EXPECT_EQ(as_nobody("down").exit_code, 0);
}

TEST(Machine, AStateFolderThatIsAFileIsNamed) {
  World world;
  std::ofstream{world.state_folder()} << "a file";
  auto const outcome = world.drover({"up"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_TRUE(outcome.err.contains(world.state_folder())) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("DROVER_STATE_DIR")) << outcome.text();
}

TEST(Machine, AStoreThatIsNoneIsRefusedAndLeftAsItIs) {
  World world;
  std::filesystem::create_directories(world.state_folder());
  std::string const path = world.state_folder() + "/drover.db";
  std::string const garbage(50'000, '?');
  std::ofstream{path} << garbage;
  auto const outcome = world.drover({"up"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("drover.db")) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("restore a backup")) << outcome.text();
  EXPECT_EQ(std::filesystem::file_size(path), garbage.size());
}

TEST(Machine, AStoreOfANewerDroverIsRefused) {
  World world;
  world.serve();
  world.stop_server();
  {
    auto database =
        store::Database::open(world.state_folder() + "/drover.db", store::OpenMode::writer);
    ASSERT_TRUE(database) << database.error().text();
    ASSERT_TRUE(database->execute(
        "INSERT INTO schema_migrations(domain, version, name) VALUES('worker', 999, 'to come')"));
  }
  auto const outcome = world.drover({"up"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("newer")) << outcome.text();
}

TEST(Machine, AServerFileThatIsStaleOrBrokenDoesNotKeepOneFromStarting) {
  for (std::string_view const left :
       {R"({"url":"http://127.0.0.1:1","token":"t","pid":1})", "", "garbage", "[]"}) {
    World world;
    std::filesystem::create_directories(world.state_folder());
    std::ofstream{world.state_folder() + "/server.json"} << left;
    auto const lost = world.drover({"ps"});
    EXPECT_NE(lost.exit_code, 0) << left;
    EXPECT_TRUE(lost.err.contains("drover up")) << lost.text();
    auto const up = world.drover({"up"});
    EXPECT_EQ(up.exit_code, 0) << left << ": " << up.text();
    EXPECT_EQ(world.drover({"ps"}).exit_code, 0);
    EXPECT_EQ(world.drover({"down"}).exit_code, 0);
  }
}

TEST(Machine, AForegroundServerSaysWhereItIsAndEndsWithASignal) {
  World world;
  auto const server = world.start_drover({"up", "--foreground"});
  ASSERT_TRUE(server->prints("#token="));
  EXPECT_EQ(world.drover({"ps"}).exit_code, 0);
  server->signal(SIGTERM);
  auto const outcome = server->finish();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
}

TEST(Machine, ASettingThatIsNoneIsNamed) {
  World world;
  world.set_variable("DROVER_DISK_RESERVE_MB", "plenty");
  auto const outcome = world.drover({"up"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("DROVER_DISK_RESERVE_MB")) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("plenty")) << outcome.text();
}

TEST(Machine, AModelFileThatCannotServeIsNamedBeforeAnythingStarts) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  for (std::string_view const text : {"", "{", "[]", "{\"turns\": 7}", "\xff\xfe"}) {
    std::string const path = world.root() + "/bad.json";
    std::ofstream{path} << text;
    auto const outcome =
        world.drover({"run", "-w", repository.path(), "--model", "scripted:" + path, "go"});
    EXPECT_EQ(outcome.exit_code, 2) << outcome.text();
    EXPECT_TRUE(outcome.err.contains(path)) << outcome.text();
  }
  EXPECT_EQ(world.api().get("/api/v1/runs").body.at("runs").as_array().size(), 0U);
}

}  // namespace
}  // namespace drover::harness
