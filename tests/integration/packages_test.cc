// Real package managers inside the sandbox, whose only way to a registry is the proxy of their
// environment.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include <boost/json.hpp>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

// The package `tiny` for both, as small as each takes it.
constexpr std::string_view kRegistry = R"py(
import base64, hashlib, http.server, io, json, tarfile, zipfile

def wheel():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("tiny.py", "answer = 42\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return out.getvalue()

def tarball():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in [("package.json", '{"name":"tiny","version":"1.0.0","main":"index.js"}'),
                           ("index.js", "module.exports = 43;")]:
            info = tarfile.TarInfo("package/" + name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()

WHEEL, TARBALL = wheel(), tarball()

class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        here = "http://%s:%d" % self.server.server_address
        kind, body = "application/octet-stream", None
        if self.path == "/simple/tiny/":
            kind, body = "text/html", b'<a href="/tiny-1.0-py3-none-any.whl">tiny-1.0-py3-none-any.whl</a>'
        if self.path.endswith(".whl"): body = WHEEL
        if self.path.endswith(".tgz"): body = TARBALL
        if self.path == "/tiny":
            kind = "application/json"
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()
            dist = {"tarball": here + "/tiny/-/tiny-1.0.0.tgz", "integrity": integrity}
            body = json.dumps({"name": "tiny", "dist-tags": {"latest": "1.0.0"},
                               "versions": {"1.0.0": {"name": "tiny", "version": "1.0.0", "dist": dist}}}).encode()
        self.send_response(200 if body is not None else 404)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
print(server.server_address[1], flush=True)
server.serve_forever()
)py";

class Packages : public ::testing::Test {
 protected:
  Packages() {
    std::string const script = world.root() + "/registry.py";
    EXPECT_TRUE(os::write_file_atomic(script, kRegistry));
    ProgramOptions options;
    options.arguments = {"/usr/bin/python3", script};
    options.environment = world.environment();
    registry = std::make_unique<Program>(options);
    EXPECT_TRUE(registry->prints("\n"));
    port = registry->printed().substr(0, registry->printed().find('\n'));
  }
  // What the command prints inside has to hold `word`. Returns the run's events.
  std::vector<json::object> run(std::string const& command, std::string_view word,
                                json::array egress) {
    json::object const agent{{"name", "out"}, {"egress", std::move(egress)}};
    EXPECT_TRUE(os::write_file_atomic(world.root() + "/agent.json", json::serialize(agent)));
    json::object const input{{"command", json::string{command}}};
    json::object const call{{"name", "Bash"}, {"input", input}};
    json::array const results{json::object{{"contains", word}}};
    json::array const turns{
        json::object{{"tool_calls", json::array{call}}},
        json::object{{"expect", json::object{{"tool_results", results}}}, {"text", "done"}}};
    auto const model = world.model(json::serialize(turns));
    world.serve();
    EXPECT_EQ(world.drover({"agents", "apply", "-f", world.root() + "/agent.json"}).exit_code, 0);
    auto const repository = world.repository("project");
    auto const outcome = world.drover({"run", "--json", "-w", repository.path(), "--ro", "--model",
                                       model, "--agent", "out", "install it"},
                                      "", Millis{60'000});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
    return outcome.lines();
  }
  [[nodiscard]] std::string registry_url() const { return "http://127.0.0.1:" + port; }

  World world;
  std::unique_ptr<Program> registry;
  std::string port;
};

std::size_t connections(std::vector<json::object> const& events, std::string_view outcome) {
  return static_cast<std::size_t>(std::ranges::count_if(events, [&](json::object const& event) {
    return text_of(event, "type") == "egress" && text_of(event, "outcome") == outcome;
  }));
}

TEST_F(Packages, PipInstallsThroughTheProxyOfItsEnvironment) {
  auto const events =
      run("export NO_PROXY= no_proxy=; /usr/bin/python3 -m pip install -q --no-cache-dir "
          "--disable-pip-version-check --target /tmp/py --index-url " +
              registry_url() +
              "/simple tiny && PYTHONPATH=/tmp/py /usr/bin/python3 -c "
              "'import tiny; print(\"pip got\", tiny.answer)'",
          "pip got 42", {"127.0.0.1:" + port});
  EXPECT_GE(connections(events, "opened"), 1U);
  EXPECT_EQ(connections(events, "refused"), 0U);
}

TEST_F(Packages, NpmInstallsThroughTheProxyOfItsEnvironment) {
  auto const events =
      run("export NO_PROXY= no_proxy=; npm install --silent --no-audit --no-fund "
          "--prefix /tmp/js --cache /tmp/npm --registry " +
              registry_url() +
              "/ tiny && node -p '\"npm got \" + require(\"/tmp/js/node_modules/tiny\")'",
          "npm got 43", {"127.0.0.1:" + port});
  EXPECT_GE(connections(events, "opened"), 1U);
  EXPECT_EQ(connections(events, "refused"), 0U);
}

// The control: without the entry neither gets anything, and the refusals are on the record.
TEST_F(Packages, ARegistryThatIsNotNamedIsNotReached) {
  auto const events = run(
      "export NO_PROXY= no_proxy=; /usr/bin/python3 -m pip install -q --no-cache-dir --retries 0 "
      "--disable-pip-version-check --target /tmp/py --index-url " +
          registry_url() +
          "/simple tiny; npm install --silent --no-audit --no-fund "
          "--fetch-retries 0 --prefix /tmp/js --cache /tmp/npm --registry " +
          registry_url() + "/ tiny; ls /tmp/py/tiny.py /tmp/js/node_modules/tiny; echo all refused",
      "all refused", {"127.0.0.2:" + port});
  EXPECT_EQ(connections(events, "opened"), 0U);
  EXPECT_GE(connections(events, "refused"), 2U);
}

}  // namespace
}  // namespace drover::harness
