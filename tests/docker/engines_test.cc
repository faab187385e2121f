// Engines that are set up in other ways: over TLS, with another runtime, with images elsewhere.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <fstream>
#include <set>

#include "base/text.h"
#include "docker/backend_fixture.h"
#include "harness/free_port.h"
#include "os/process.h"

namespace drover::runtime {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kPath = "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin";

// Its end is its destructor's.
class Program {
 public:
  Program(std::vector<std::string> argv, std::string const& log) {
    os::Fd const file{::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    os::ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.env = {std::string{kPath}};
    spec.out = file.get();
    spec.err = file.get();
    auto process = os::Process::spawn(spec);
    if (!process) throw std::runtime_error(process.error().text());
    process_.emplace(*std::move(process));
  }
  ~Program() {
    (void)process_->signal(SIGTERM);
    (void)process_->wait(Millis{10'000});
  }
  Program(Program const&) = delete;
  Program& operator=(Program const&) = delete;
  // Whether it has ended well.
  bool end() {
    auto const ended = process_->wait(Millis{60'000});
    return ended && *ended && (*ended)->ok();
  }

 private:
  std::optional<os::Process> process_;
};

class Engines : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/drover-engines-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
  }
  void TearDown() override {
    backend_.reset();
    EXPECT_TRUE(os::remove_tree(path_));
  }

  void make(EngineAddress address, std::string const& oci_runtime = "") {
    DockerBackendSettings settings;
    settings.engine = std::move(address);
    settings.folder = path_ + "/docker";
    settings.image = test::DockerDaemon::kImage;
    settings.oci_runtime = oci_runtime;
    backend_ = std::make_unique<DockerBackend>(loop_, pool_, clock_, random_, settings);
  }
  void make(test::DockerDaemon const& daemon, std::string const& oci_runtime = "") {
    make(parse_engine_address(daemon.host(), "").value(), oci_runtime);
  }
  // Its output, or the error.
  std::string run(WorkloadSpec spec) {
    auto const id = spec.id;
    std::optional<Result<WorkloadStatus>> started;
    boost::asio::co_spawn(loop_, backend_->start(std::move(spec)),
                          [&](std::exception_ptr const& error, Result<WorkloadStatus> value) {
                            EXPECT_FALSE(error);
                            started = std::move(value);
                          });
    run_until([&] {
      auto const status = backend_->status(id);
      if (status && !status->detail.empty()) seen_.insert(status->detail);
      return started.has_value();
    });
    if (!*started) return started->error().text();
    run_until([&] { return !is_live(backend_->status(id)->state); });
    return backend_->status(id)->output_tail;
  }
  template <class Condition>
  void run_until(Condition condition) {
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("not in time");
      loop_.restart();
      loop_.run_for(Millis{1});
    }
  }
  static WorkloadSpec hello() {
    static int count = 0;
    WorkloadSpec spec;
    spec.id = WorkloadId::trusted(fmt::format("en-{}-{}", ::getpid(), ++count));
    spec.sandbox.argv = {"/bin/echo", "hello"};
    return spec;
  }

  std::string path_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context loop_;
  os::BlockingPool pool_{2};
  std::unique_ptr<DockerBackend> backend_;
  std::set<std::string> seen_;  // what a start said while it was under way
};

TEST_F(Engines, OneBehindTlsIsSpokenToWithACertificate) {
  std::string const script = R"sh(
    set -e
    cd "$0"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem
    for who in server client; do
      openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout $who-key.pem -out $who.csr
      printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=%sAuth' $who > $who.ext
      openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 \
        -extfile $who.ext -out $who.pem
    done
    mkdir mine && cp ca.pem mine && cp client.pem mine/cert.pem && cp client-key.pem mine/key.pem)sh";
  ASSERT_TRUE((Program{{"/bin/sh", "-c", script, path_}, path_ + "/openssl.log"}.end()))
      << os::read_file(path_ + "/openssl.log").value_or("");
  auto const port = harness::free_port();
  test::DockerDaemon const daemon{
      test::EngineKind::docker,
      {fmt::format("--host=tcp://127.0.0.1:{}", port), "--tlsverify",
       "--tlscacert=" + path_ + "/ca.pem", "--tlscert=" + path_ + "/server.pem",
       "--tlskey=" + path_ + "/server-key.pem"}};
  auto const address = fmt::format("tcp://127.0.0.1:{}", port);
  make(parse_engine_address(address, path_ + "/mine").value());
  EXPECT_EQ(run(hello()), "hello\n");
  EXPECT_FALSE(parse_engine_address(fmt::format("tcp://engine.example:{}", port), ""))
      << "elsewhere only with TLS";
  ASSERT_TRUE(os::write_file_atomic(path_ + "/mine/cert.pem",
                                    os::read_file(path_ + "/server.pem").value()));
  ASSERT_TRUE(os::write_file_atomic(path_ + "/mine/key.pem",
                                    os::read_file(path_ + "/server-key.pem").value()));
  make(parse_engine_address(address, path_ + "/mine").value());
  auto const refused = run(hello());
  EXPECT_THAT(refused, HasSubstr(address)) << "a certificate that is no client's";
}

TEST_F(Engines, AnotherRuntimeIsTheConfigurations) {
  test::DockerDaemon daemon{test::EngineKind::docker, {"--add-runtime=second=/usr/sbin/runc"}};
  make(daemon, "second");
  auto spec = hello();
  spec.sandbox.argv = {"/bin/sleep", "600"};
  auto const id = spec.id;
  std::optional<Result<WorkloadStatus>> started;
  boost::asio::co_spawn(
      loop_, backend_->start(std::move(spec)),
      [&](std::exception_ptr const&, Result<WorkloadStatus> value) { started = std::move(value); });
  run_until([&] { return started.has_value(); });
  ASSERT_TRUE(*started) << started->error().text();
  EXPECT_EQ(
      daemon.cli({"inspect", "--format", "{{.HostConfig.Runtime}}", daemon.cli({"ps", "-q"})}),
      "second");
  std::optional<Status> gone;
  boost::asio::co_spawn(loop_, backend_->destroy(id),
                        [&](std::exception_ptr const&, Status value) { gone = std::move(value); });
  run_until([&] { return gone.has_value(); });
  EXPECT_TRUE(*gone);
  make(daemon, "third");
  EXPECT_THAT(run(hello()), HasSubstr("knows no runtime third"));
}

TEST_F(Engines, AnImageThatIsElsewhereIsPulled) {
  auto const port = harness::free_port();
  std::ofstream{path_ + "/registry.yml"} << fmt::format(
      "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {0}/images\n"
      "http:\n  addr: 127.0.0.1:{1}\n",
      path_, port);
  Program const registry{{"docker-registry", "serve", path_ + "/registry.yml"},
                         path_ + "/registry.log"};
  test::DockerDaemon daemon;
  std::string const image = fmt::format("127.0.0.1:{}/small:7", port);
  daemon.cli({"tag", std::string{test::DockerDaemon::kImage}, image});
  daemon.cli({"push", image});
  daemon.cli({"rmi", image, std::string{test::DockerDaemon::kImage}});
  make(daemon);
  auto spec = hello();
  spec.image = image;
  EXPECT_EQ(run(spec), "hello\n");
  EXPECT_THAT(seen_, Not(IsEmpty())) << "it says how far it is";
  auto missing = hello();
  missing.image = fmt::format("127.0.0.1:{}/small:8", port);
  EXPECT_THAT(run(missing),
              testing::AllOf(HasSubstr(missing.image),
                             AnyOf(HasSubstr("manifest unknown"), HasSubstr("not found"))));
}

}  // namespace
}  // namespace drover::runtime
