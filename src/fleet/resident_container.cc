#include "fleet/resident_container.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

namespace drover::fleet {

namespace {

Phase phase_of(runtime::Container const& container) {
  if (container.removing) return Phase::removing;
  if (container.restarting) return Phase::restarting;
  switch (container.state) {
    case runtime::ContainerState::created:
      return Phase::created;
    case runtime::ContainerState::running:
      return Phase::running;
    case runtime::ContainerState::paused:
      return Phase::paused;
    case runtime::ContainerState::ended:
      return Phase::ended;
  }
  return Phase::ended;
}

}  // namespace

json::object resident_body(Instance const& instance, std::string const& server, json::object body) {
  body["Labels"] = json::object{{runtime::kFleetLabel, json::string{server}},
                                {runtime::kAgentLabel, json::string{instance.of.agent}},
                                {runtime::kInstanceLabel, json::string{instance.name}},
                                {runtime::kSpecLabel, json::string{instance.hash}},
                                {runtime::kImageLabel, json::string{instance.workload.image}},
                                {runtime::kUserLabel, fmt::format("{}", instance.uid)}};
  auto& host = body.at("HostConfig").as_object();
  host["RestartPolicy"] = json::object{{"Name", "unless-stopped"}, {"MaximumRetryCount", 0}};
  host["Mounts"].as_array().push_back(
      json::object{{"Type", "volume"},
                   {"Source", json::string{instance.volume}},
                   {"Target", kStatePlace},
                   // Nothing of the image's is copied into it.
                   {"VolumeOptions", json::object{{"NoCopy", true}}}});
  return body;
}

json::object volume_labels(Instance const& instance, std::string const& server) {
  return {{runtime::kFleetLabel, json::string{server}},
          {runtime::kAgentLabel, json::string{instance.of.agent}},
          {runtime::kInstanceLabel, json::string{instance.name}}};
}

Actual actual_of(runtime::Container const& container) {
  Actual actual;
  actual.id = container.id;
  actual.name = container.name;
  actual.instance = container.instance;
  actual.agent = container.agent;
  actual.hash = container.spec;
  actual.phase = phase_of(container);
  actual.image_moved = container.image_moved;
  return actual;
}

}  // namespace drover::fleet
