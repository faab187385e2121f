// The part of driver.h that has effects carried out, and hands in what they came to.
#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "driver/driver.h"
#include "driver/driver_run.h"

namespace drover::driver {

namespace {

using SteadyPoint = os::AsyncEvent::TimePoint;

}  // namespace

void Driver::begin_command(RunPtr const& run, CommandJob job) {
  if (!commands_) return;
  std::string const effect_id = job.effect.id;
  run->under_way.emplace(effect_id, Carrier::command);
  auto const executor = parts_.io.get_executor();
  commands_->begin(std::move(job), [this, run, effect_id, executor](workflow::TaskResult result) {
    boost::asio::post(executor, [this, run, effect_id, result = std::move(result)]() mutable {
      hand_in(run, effect_id, std::move(result));
    });
  });
}

Task<void> Driver::carry(RunPtr run, EffectCarrier* who, EffectJob job) {
  std::string const effect_id = job.effect.id;
  auto result = co_await who->carry_out(std::move(job));
  if (result) {
    hand_in(run, effect_id, *std::move(result));
  } else {
    run->under_way.erase(effect_id);
  }
}

void Driver::hand_in(RunPtr const& run, std::string const& effect_id, workflow::TaskResult result) {
  if (stopping_ || run->over) return;
  auto request = std::make_shared<Request>();
  request->act = [effect_id, result = std::move(result)](DrivenRun& driven) -> Result<json::value> {
    auto const posted = driven.post(effect_id, result);
    // One that ended meanwhile stays as it is.
    if (!posted && posted.error().code != ErrorCode::conflict)
      return std::unexpected(posted.error());
    return json::value{};
  };
  run->requests.push_back(request);
  wake(run);
  tasks_.spawn(handed_in(run, effect_id, std::move(request)), "hand-in");
}

// Until it is in the journal: what an effect came to is not lost to a disk that is full.
Task<void> Driver::handed_in(RunPtr run, std::string effect_id, std::shared_ptr<Request> request) {
  for (;;) {
    auto const seen = ended_.version();
    if (request->reply) break;
    if (stopping_) co_return;
    co_await ended_.wait(seen);
  }
  if (*request->reply) {
    run->under_way.erase(effect_id);
    co_return;
  }
  log::error("effect-not-posted", {{"workflow", run->record.id},
                                   {"effect", effect_id},
                                   {"reason", request->reply->error().text()}});
  if (request->reply->error().code == ErrorCode::not_found) co_return;
  constexpr Millis kAgain{5'000};
  auto const end = SteadyPoint::clock::now() + kAgain;
  while (!stopping_ && SteadyPoint::clock::now() < end)
    co_await ended_.wait(ended_.version(), end);
  if (stopping_ || run->over) co_return;
  request->reply.reset();
  run->requests.push_back(request);
  wake(run);
  tasks_.spawn(handed_in(run, std::move(effect_id), std::move(request)), "hand-in");
}

void Driver::stop_effect(RunPtr const& run, std::string const& effect_id) {
  auto const found = run->under_way.find(effect_id);
  if (found == run->under_way.end()) return;
  auto const carrier = found->second;
  if (carrier == Carrier::command) {
    if (commands_) commands_->stop(run->record.folder, effect_id);
    run->under_way.erase(found);
  } else {
    carriers_.at(carrier)->stop(run->record.id, effect_id);
  }
}

}  // namespace drover::driver
