#include "chaos_audit.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include <boost/json.hpp>

#include "base/text.h"
#include "net/blocking_http.h"
#include "os/files.h"
#include "os/process.h"

namespace drover::bench {

namespace {

constexpr Millis kGitWait{60'000};
constexpr std::size_t kLogBytesMax = std::size_t{64} << 20U;
constexpr int kPage = 200;

template <class T>
T number_in(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Reader {
 public:
  explicit Reader(Address const& server) : server_(server), http_(&interrupted()) {}

  Result<std::string> get(std::string const& path) {
    net::ClientRequest request;
    request.url = server_.url + path;
    request.headers = {{"Authorization", server_.authorization}};
    request.body_bytes_max = std::size_t{64} << 20U;
    auto response = http_.request(request);
    if (!response) return std::unexpected(response.error());
    if (response->status != 200)
      return fail(ErrorCode::upstream, "GET {}: {} {}", path, response->status,
                  printable(response->body, 300));
    return std::move(response->body);
  }

 private:
  Address const server_;
  net::BlockingHttp http_;
};

struct Listed {
  std::string run;
  std::string session;
};

Result<std::vector<Listed>> list_runs(Reader& reader, Account& account) {
  std::vector<Listed> all;
  std::string before;
  do {
    auto const page = reader.get(
        fmt::format("/api/v1/runs?limit={}{}", kPage, before.empty() ? "" : "&before=" + before));
    if (!page) return std::unexpected(page.error());
    auto const value = parse_json(*page);
    if (!value) return std::unexpected(value.error());
    for (json::value const& one : value->at("runs").as_array()) {
      auto const& run = one.as_object();
      all.push_back(
          {std::string{string_or(run, "id", "")}, std::string{string_or(run, "session", "")}});
      account.listed(all.back().run);
      auto const state = string_or(run, "state", "");
      account.ended(all.back().run,
                    state == "succeeded"
                        ? std::string{state}
                        : fmt::format("{}: {} ({})", state, string_or(run, "reason", "?"),
                                      string_or(run, "detail", "")));
    }
    before = string_or(value->as_object(), "next", "");
  } while (!before.empty());
  return all;
}

}  // namespace

std::int64_t seq_of(net::SseEvent const& event) {
  return number_in<std::int64_t>(event.id);
}

Status audit_server(Address const& server, Account& account) {
  Reader reader{server};
  auto const runs = list_runs(reader, account);
  if (!runs) return std::unexpected(runs.error());
  for (Listed const& run : *runs) {
    auto const text = reader.get(
        fmt::format("/api/v1/sessions/{}/runs/{}/events?follow=false", run.session, run.run));
    if (!text) return std::unexpected(text.error());
    auto const events = net::SseParser{}.feed(*text);
    if (!events) return std::unexpected(events.error());
    for (net::SseEvent const& event : *events)
      account.stored(run.run, seq_of(event), event.event, event.data);
  }
  return {};
}

namespace {

Result<std::string> git_log(std::string const& folder) {
  std::string const out = folder + ".log";
  os::Fd const file{::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!file.valid()) return fail_errno("make", out);
  os::ProcessSpec spec;
  spec.argv = {"git",        "-C",
               folder,       "log",
               "--branches", "--format=run %(trailers:key=Drover-Run,valueonly,separator=)",
               "--numstat"};
  spec.env = plain_environment(folder);
  spec.out = file.get();
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  auto const ended = process->wait(kGitWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended || !(*ended)->ok()) return fail(ErrorCode::upstream, "git log failed in {}", folder);
  return os::read_file(out, kLogBytesMax);
}

}  // namespace

// "run RUN", an empty line, and "ADDED<tab>REMOVED<tab>PATH" for each file.
Status audit_repository(std::string const& folder, Account& account) {
  auto const log = git_log(folder);
  if (!log) return std::unexpected(log.error());
  std::string run;
  int effects = 0;
  int strays = 0;
  auto const close = [&] {
    if (!run.empty()) account.committed(run, folder, effects, strays);
    effects = 0;
    strays = 0;
  };
  for (std::string_view const line : split(*log, '\n')) {
    if (line.starts_with("run ")) {
      close();
      run = trim(line.substr(4));
      continue;
    }
    auto const fields = split(line, '\t');
    if (fields.size() != 3) continue;
    if (fields[2] == kEffectsFile)
      effects = number_in<int>(fields[0]);
    else
      ++strays;
  }
  close();
  return {};
}

}  // namespace drover::bench
