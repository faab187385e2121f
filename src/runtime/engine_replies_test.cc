#include "runtime/engine_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/output_frames.h"

namespace drover::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(EngineReplies, PodmanSaysWhatItIs) {
  EXPECT_TRUE(is_podman(R"({"Components": [{"Name": "Conmon"}, {"Name": "Podman Engine"}]})"));
  for (std::string const reply :
       {R"({"Components": [{"Name": "Engine"}]})", R"({"Components": [1]})", "{}", "x"})
    EXPECT_FALSE(is_podman(reply)) << reply;
}

TEST(EngineReplies, TheNewestVersionThatBothKnow) {
  EXPECT_EQ("1.41",
            choose_api_version(R"({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})").value());
  EXPECT_EQ("1.47",
            choose_api_version(R"({"ApiVersion": "1.99", "MinAPIVersion": "1.44"})").value());
  for (auto const* const reply :
       {R"({"ApiVersion": "1.39"})", R"({"ApiVersion": "1.99", "MinAPIVersion": "1.60"})"}) {
    auto const refused = choose_api_version(reply);
    ASSERT_FALSE(refused) << reply;
    EXPECT_EQ(ErrorCode::unsupported, refused.error().code);
  }
  for (auto const* const reply : {"", "[]", "{}", R"({"ApiVersion": "2.0"})",
                                  R"({"ApiVersion": "1.x"})", R"({"ApiVersion": 1.41})"})
    EXPECT_FALSE(choose_api_version(reply)) << reply;
}

TEST(EngineReplies, WhatAnEngineCanDo) {
  auto const facts = parse_engine_facts(R"({
    "OSType": "linux", "Architecture": "x86_64", "MemoryLimit": true, "PidsLimit": true,
    "CpuCfsQuota": true, "SwapLimit": false, "Runtimes": {"runc": {}, "runsc": {}},
    "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]})")
                         .value();
  EXPECT_TRUE(facts.memory_limit && facts.pids_limit && facts.cpu_limit && !facts.swap_limit);
  EXPECT_TRUE(facts.seccomp && facts.rootless && !facts.remapped);
  EXPECT_THAT(facts.runtimes, ElementsAre("runc", "runsc"));
  // Podman's way.
  EXPECT_EQ("x86_64", parse_engine_facts(R"({"Architecture": "amd64"})")->architecture);
  // What is not said is not there.
  EXPECT_FALSE(parse_engine_facts("{}")->memory_limit);
}

TEST(EngineReplies, ContainersWithTheirLabels) {
  auto const all = parse_containers(R"([
    {"Id": "aa", "State": "running", "Labels": {"dev.drover.server": "s", "dev.drover.workload": "w",
     "dev.drover.spec": "d", "dev.drover.uid": "265536"}},
    {"Id": "bb", "State": "exited", "Labels": null}, {"Id": "cc", "State": "paused"}])")
                       .value();
  ASSERT_EQ(3U, all.size());
  EXPECT_EQ("w", all[0].workload);
  EXPECT_EQ(265'536U, all[0].user);
  EXPECT_EQ(ContainerState::ended, all[1].state);
  EXPECT_EQ("", all[1].server);
  EXPECT_EQ(ContainerState::paused, all[2].state);
  for (auto const* const reply :
       {"{}", "[1]", R"([{"State": "running"}])", R"([{"Id": "a", "State": "gone fishing"}])"})
    EXPECT_FALSE(parse_containers(reply)) << reply;
}

TEST(EngineReplies, ContainersOfTheFleet) {
  auto const all = parse_containers(R"([
    {"Id": "aa", "State": "running", "Names": ["/drover-dev", "/other/link"], "Image": "i:1",
     "ImageID": "sha256:1", "Labels": {"dev.drover.fleet": "s", "dev.drover.agent": "dev",
     "dev.drover.instance": "dev-2", "dev.drover.spec": "h", "dev.drover.image": "i:1"}},
    {"Id": "bb", "State": "restarting", "Image": "sha256:1", "ImageID": "sha256:1",
     "Labels": {"dev.drover.image": "i:1"}},
    {"Id": "cc", "State": "removing", "Image": "sha256:1", "ImageID": "sha256:1",
     "Labels": {"dev.drover.image": "sha256:1"}}])")
                       .value();
  ASSERT_EQ(3U, all.size());
  EXPECT_EQ("drover-dev", all[0].name);
  EXPECT_EQ("s", all[0].fleet);
  EXPECT_EQ("", all[0].server) << "nobody of the backend's";
  EXPECT_EQ("dev", all[0].agent);
  EXPECT_EQ("dev-2", all[0].instance);
  EXPECT_FALSE(all[0].image_moved || all[0].restarting || all[0].removing);
  EXPECT_TRUE(all[1].restarting);
  EXPECT_TRUE(all[1].image_moved) << "its name means another image by now";
  EXPECT_FALSE(all[2].image_moved) << "asked for by its id";
  EXPECT_TRUE(all[2].removing);
}

TEST(EngineReplies, HowOneIs) {
  auto const said = parse_inspection(R"({"RestartCount": 4, "Image": "sha256:1",
      "State": {"Status": "running", "Pid": 7, "StartedAt": "2026-01-02T03:04:05.123456789Z"}})")
                        .value();
  EXPECT_EQ(4, said.restarts);
  EXPECT_EQ("sha256:1", said.image);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.123456Z").value(), said.started);
  auto const never =
      parse_inspection(R"({"State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}})");
  EXPECT_EQ(std::nullopt, never->started);
  auto const usage = parse_usage(R"({"memory_stats": {"usage": 4096},
      "cpu_stats": {"cpu_usage": {"total_usage": 5000000}}})")
                         .value();
  EXPECT_EQ(4096U, usage.memory_bytes);
  EXPECT_EQ(5000U, usage.cpu_us);
  EXPECT_EQ(0U, parse_usage("{}")->cpu_us);
  EXPECT_FALSE(parse_usage("[]"));
  auto const volume = parse_volume(R"({"Name": "v", "Mountpoint": "/v/_data",
      "Labels": {"dev.drover.fleet": "s", "dev.drover.instance": "dev"}})")
                          .value();
  EXPECT_EQ("/v/_data", volume.place);
  EXPECT_EQ("dev", volume.instance);
  EXPECT_EQ("", parse_volume(R"({"Labels": null})")->fleet);
}

TEST(EngineReplies, HowOneEnded) {
  auto const end =
      parse_inspection(
          R"({"State": {"Status": "exited", "ExitCode": 137, "OOMKilled": true, "Error": ""}})")
          .value();
  EXPECT_EQ(137, end.exit_code);
  EXPECT_TRUE(end.out_of_memory);
  auto const running =
      parse_inspection(R"({"State": {"Status": "running", "ExitCode": 0}})").value();
  EXPECT_EQ(std::nullopt, running.exit_code);
  EXPECT_FALSE(parse_inspection("{}"));
}

TEST(EngineReplies, EventsOfBothEngines) {
  auto const docker = parse_engine_event(
                          R"({"status": "die", "id": "aa", "Type": "container", "Action": "die",
                              "Actor": {"ID": "aa", "Attributes": {"exitCode": "0"}}})")
                          .value();
  EXPECT_EQ(EngineAction::ended, docker.action);
  EXPECT_EQ("aa", docker.container);
  EXPECT_EQ(0, docker.exit_code);
  EXPECT_FALSE(parse_engine_event(R"({"Action": "die", "Actor": {"ID": "aa"}})")->exit_code);
  EXPECT_EQ(EngineAction::ended, parse_engine_event(R"({"status": "died", "id": "bb"})")->action);
  EXPECT_EQ(EngineAction::out_of_memory, parse_engine_event(R"({"Action": "oom"})")->action);
  EXPECT_EQ(EngineAction::removed, parse_engine_event(R"({"Action": "destroy"})")->action);
  EXPECT_EQ(EngineAction::other, parse_engine_event(R"({"Action": "exec_die: sh"})")->action);
  EXPECT_FALSE(parse_engine_event("die"));
}

TEST(EngineReplies, LinesComeInWhateverPieces) {
  std::string const text = "{\"a\":1}\n\n{\"b\":2}\r\n{\"c\"";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    LineSplitter splitter;
    auto lines = splitter.feed(std::string_view{text}.substr(0, cut)).value();
    for (auto& line : splitter.feed(std::string_view{text}.substr(cut)).value())
      lines.push_back(std::move(line));
    EXPECT_THAT(lines, ElementsAre("{\"a\":1}", "{\"b\":2}\r")) << cut;
  }
  LineSplitter endless;
  EXPECT_FALSE(endless.feed(std::string(kEngineLineBytesMax + 1, 'x')));
}

TEST(EngineReplies, APullEndsWithItsError) {
  EXPECT_EQ(
      "ab12: Downloading [=> ] 1MB/9MB",
      parse_pull_progress(R"({"status": "Downloading", "id": "ab12", "progress": "[=> ] 1MB/9MB"})")
          .value());
  auto const failed = parse_pull_progress(R"({"error": "denied", "errorDetail": {}})");
  ASSERT_FALSE(failed);
  EXPECT_EQ("denied", failed.error().message);
}

std::string frame(char stream, std::string_view text) {
  std::string made{stream, 0, 0, 0};
  for (unsigned const shift : {24U, 16U, 8U, 0U})
    made.push_back(static_cast<char>((text.size() >> shift) & 0xffU));
  return made + std::string{text};
}

TEST(EngineReplies, OutputIsTakenOutOfItsFrames) {
  auto const whole = frame(1, "hello\n") + frame(2, std::string(300, 'e')) + frame(1, "");
  EXPECT_EQ("hello\n" + std::string(300, 'e'), parse_output(whole).value());
  // Cut anywhere, what had come is there.
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    auto const some = parse_output(std::string_view{whole}.substr(0, cut));
    ASSERT_TRUE(some) << cut;
    EXPECT_TRUE(("hello\n" + std::string(300, 'e')).starts_with(*some));
  }
  EXPECT_FALSE(parse_output("plain text without frames"));
  EXPECT_FALSE(parse_output(std::string_view{"\1\0\0\0\x7f\xff\xff\xff", 8})) << "too long";
}

TEST(EngineReplies, FramesAreTheSameWhateverPiecesTheyComeIn) {
  auto const whole = frame(1, "one\n") + frame(2, std::string(300, 'e')) + frame(1, "two\n");
  for (std::size_t step = 1; step <= whole.size(); ++step) {
    OutputFrames splitter;
    std::vector<std::string> all;
    for (std::size_t at = 0; at < whole.size(); at += step)
      for (auto& one : splitter.feed(std::string_view{whole}.substr(at, step)).value())
        all.push_back(std::move(one));
    EXPECT_THAT(all, ElementsAre("one\n", std::string(300, 'e'), "two\n")) << step;
    EXPECT_EQ("", splitter.rest());
  }
}

TEST(EngineReplies, ALineHasTheEnginesTimeAndTimesCompare) {
  auto const line = parse_output_line("2026-11-22T07:05:32.607123456Z hello there\n");
  EXPECT_EQ("2026-11-22T07:05:32.607123456Z", line.at);
  EXPECT_EQ("hello there", line.text);
  EXPECT_EQ("1795331132.607123456", line.moment);
  EXPECT_EQ("1795331132.600000000", parse_output_line("2026-11-22T08:05:32.6+01:00 x").moment);
  EXPECT_EQ("1795331132.000000000", parse_output_line("2026-11-22T07:05:32Z").moment);
  EXPECT_EQ("", parse_output_line("2026-11-22T07:05:32Z").text);
  EXPECT_EQ("no time here", parse_output_line("no time here\n").text);
  EXPECT_EQ("", parse_output_line("").moment);
}

TEST(EngineReplies, ARefusalSaysWhatWasTried) {
  auto const error =
      engine_refusal("start the container ab", 404, R"({"message": "No such image"})");
  EXPECT_EQ(ErrorCode::not_found, error.code);
  EXPECT_THAT(error.message, HasSubstr("start the container ab"));
  EXPECT_THAT(error.message, HasSubstr("No such image"));
  EXPECT_THAT(engine_refusal("x", 502, "<html>").message, HasSubstr("502"));
  EXPECT_EQ(ErrorCode::conflict, engine_refusal("x", 409, "{}").code);
  EXPECT_EQ(ErrorCode::upstream, engine_refusal("x", 500, "{}").code);
  auto const podman = R"({"message": "the container name \"a\" is already in use by 49a6. You have)"
                      R"( to remove that container to be able to reuse that name: that name is)"
                      R"( already in use"})";
  EXPECT_EQ(ErrorCode::conflict, engine_refusal("x", 500, podman).code);
  EXPECT_THAT(
      engine_refusal(
          "x", 400,
          R"({"message": "invalid mount config for type \"bind\": bind source path does not exist: /x"})")
          .next,
      HasSubstr("run on this machine"));
}

TEST(EngineReplies, NamesOfImages) {
  for (auto const* const name :
       {"busybox", "busybox:1.36", "registry.example:5000/a/b_c:tag", "a@sha256:0123456789abcdef"})
    EXPECT_TRUE(is_image_name(name)) << name;
  for (auto const* const name :
       {"", "/a", "a/", "a//b", "../x", "a/../b", "a b", "a?x=1", "a#b", "a%2f", "-a"})
    EXPECT_FALSE(is_image_name(name)) << name;
  auto const parts = split_image_name("registry.example:5000/a");
  EXPECT_EQ("registry.example:5000/a", parts.repository);
  EXPECT_EQ("latest", parts.tag);
  EXPECT_EQ("1.36", split_image_name("busybox:1.36").tag);
  EXPECT_EQ("sha256:01", split_image_name("busybox:1.36@sha256:01").tag);
  EXPECT_EQ("busybox", split_image_name("busybox:1.36@sha256:01").repository);
}

}  // namespace
}  // namespace drover::runtime
