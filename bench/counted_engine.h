#pragma once
// An engine of the fleet, and how often it was asked for something.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fleet/engine.h"

namespace drover::bench {

class CountedEngine final : public fleet::FleetEngine {
 public:
  explicit CountedEngine(fleet::FleetEngine& engine) : engine_(engine) {}
  [[nodiscard]] std::int64_t calls() const { return calls_; }

  [[nodiscard]] std::string_view backend() const override { return engine_.backend(); }
  Task<Result<std::vector<fleet::Actual>>> list() override { return counted().list(); }
  Task<Result<std::string>> create(fleet::Instance instance, std::string name) override {
    return counted().create(std::move(instance), std::move(name));
  }
  Task<Status> start(std::string container) override {
    return counted().start(std::move(container));
  }
  Task<Status> freeze(std::string container) override {
    return counted().freeze(std::move(container));
  }
  Task<Status> unpause(std::string container) override {
    return counted().unpause(std::move(container));
  }
  Task<Status> rename(std::string container, std::string name) override {
    return counted().rename(std::move(container), std::move(name));
  }
  Task<Status> remove(std::string container, Millis grace) override {
    return counted().remove(std::move(container), grace);
  }
  Task<Result<fleet::VolumeState>> volume(fleet::Instance instance) override {
    return counted().volume(std::move(instance));
  }
  Task<Status> make_volume(fleet::Instance instance) override {
    return counted().make_volume(std::move(instance));
  }
  Task<Status> wipe_volume(fleet::Instance instance) override {
    return counted().wipe_volume(std::move(instance));
  }
  Task<Result<fleet::Vitals>> describe(std::string container) override {
    return counted().describe(std::move(container));
  }
  Task<Result<fleet::Usage>> usage(std::string container) override {
    return counted().usage(std::move(container));
  }
  Task<Result<std::string>> logs(std::string container, int lines) override {
    return counted().logs(std::move(container), lines);
  }
  Task<Result<std::unique_ptr<fleet::LogStream>>> follow(std::string container,
                                                         fleet::LogStart start) override {
    return counted().follow(std::move(container), std::move(start));
  }
  void watch(std::function<void(fleet::EngineNews const&)> told,
             std::function<bool()> needed) override {
    engine_.watch(std::move(told), std::move(needed));
  }
  Task<void> stop() override { return engine_.stop(); }

 private:
  fleet::FleetEngine& counted() {
    ++calls_;
    return engine_;
  }

  fleet::FleetEngine& engine_;
  std::int64_t calls_ = 0;
};

}  // namespace drover::bench
