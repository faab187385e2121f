#include "workflow_crowd.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "machine.h"

namespace drover::bench {

namespace {

namespace fs = std::filesystem;

constexpr int kClients = 8;
constexpr auto kLook = std::chrono::microseconds{200};
constexpr auto kPatience = std::chrono::minutes{10};
constexpr auto kSignalPatience = std::chrono::seconds{30};

std::size_t entries_of(CrowdRun const& run) {
  std::error_code error;
  std::size_t count = 0;
  for (auto const& entry : fs::directory_iterator{run.folder + "/journal", error})
    if (entry.path().extension() == ".json") ++count;
  return count;
}

Status wait_until_it_has(CrowdRun const& run, std::size_t count,
                         std::chrono::steady_clock::time_point end) {
  while (entries_of(run) < count) {
    DROVER_TRY(check_interrupt());
    if (std::chrono::steady_clock::now() > end)
      return fail(ErrorCode::timeout, "{} has {} journal entries, and not the {} that it should",
                  run.id, entries_of(run), count);
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

}  // namespace

Status WorkflowCrowd::create(std::string const& prefix, int count, json::object const& inputs) {
  std::atomic<int> next{0};
  std::mutex lock;  // guards `failed`
  std::optional<Error> failed;
  std::size_t const first = runs_.size();
  runs_.resize(first + static_cast<std::size_t>(count));
  auto const client = [&] {
    net::BlockingHttp http{&interrupted()};
    for (int i = next++; i < count; i = next++) {
      std::string const id = fmt::format("{}-{}", prefix, i);
      auto const made = post_json(http, server_.address(), "/api/v1/workflows",
                                  {{"id", id}, {"entry", entry_}, {"inputs", inputs}});
      if (!made) {
        std::scoped_lock const held{lock};
        failed = made.error();
        next = count;
        return;
      }
      runs_[first + static_cast<std::size_t>(i)] = {id,
                                                    std::string{string_or(*made, "folder", "")}};
    }
  };
  std::vector<std::jthread> clients;
  for (int i = 0; i < kClients; ++i)
    clients.emplace_back(client);
  clients.clear();
  if (failed) return std::unexpected(*failed);
  return {};
}

Status WorkflowCrowd::wait_for_entries(std::size_t count) const {
  auto const end = std::chrono::steady_clock::now() + kPatience;
  for (auto const& run : runs_)
    DROVER_TRY(wait_until_it_has(run, count, end));
  return {};
}

Result<double> WorkflowCrowd::signal_ms(CrowdRun const& run) const {
  auto const before = entries_of(run);
  net::BlockingHttp http{&interrupted()};
  std::int64_t const start = monotonic_ns();
  auto const sent =
      post_json(http, server_.address(), fmt::format("/api/v1/workflows/{}/signals", run.id),
                {{"name", "go"}, {"payload", nullptr}});
  if (!sent) return std::unexpected(sent.error());
  // The effect's end, and what is asked for next.
  DROVER_TRY(
      wait_until_it_has(run, before + 2, std::chrono::steady_clock::now() + kSignalPatience));
  return ms_between(start, monotonic_ns());
}

}  // namespace drover::bench
