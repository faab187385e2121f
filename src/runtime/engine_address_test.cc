#include "runtime/engine_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::runtime {
namespace {

using testing::HasSubstr;

TEST(EngineAddress, ASocketIsAPath) {
  auto const address = parse_engine_address("unix:///run/user/1000/docker.sock", "").value();
  EXPECT_EQ("/run/user/1000/docker.sock", address.unix_socket);
  EXPECT_EQ("http://engine", address.url);
  EXPECT_FALSE(parse_engine_address("unix://docker.sock", ""));
}

TEST(EngineAddress, OtherMachinesNeedTls) {
  auto const refused = parse_engine_address("tcp://10.0.0.5:2375", "");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().next, HasSubstr("DOCKER_CERT_PATH"));
  auto const address = parse_engine_address("tcp://10.0.0.5:2376", "/certs").value();
  EXPECT_EQ("https://10.0.0.5:2376", address.url);
  EXPECT_EQ("/certs/ca.pem", address.ca_file);
  EXPECT_EQ("/certs/cert.pem", address.certificate_file);
  EXPECT_EQ("/certs/key.pem", address.key_file);
  EXPECT_EQ("http://127.0.0.1:2375", parse_engine_address("tcp://127.0.0.1:2375", "")->url);
  EXPECT_EQ("https://engine.example:1", parse_engine_address("https://engine.example:1/", "")->url);
}

TEST(EngineAddress, NothingElseIsOne) {
  for (auto const* const text : {"", "docker.sock", "ssh://host", "npipe:////./pipe/docker_engine",
                                 "tcp://", "tcp://host", "tcp://host:", "tcp://host:99999999",
                                 "tcp://user@127.0.0.1:1/x:2", "http://127.0.0.1:1/path"})
    EXPECT_FALSE(parse_engine_address(text, "")) << text;
}

}  // namespace
}  // namespace drover::runtime
