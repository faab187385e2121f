#include "gateway/model_list.h"

#include <boost/json.hpp>

#include "base/json.h"

namespace drover::gateway {

namespace {

json::object entry_of(std::string_view model) {
  return {{"type", "model"},       {"id", model},
          {"display_name", model}, {"created_at", "2026-01-01T00:00:00Z"},
          {"object", "model"},     {"created", 1'767'225'600},
          {"owned_by", "drover"}};
}

}  // namespace

std::string model_entry(std::string_view model) {
  return json::serialize(entry_of(model));
}

std::string model_list(std::string_view model) {
  json::object const body{{"object", "list"},
                          {"data", json::array{entry_of(model)}},
                          {"has_more", false},
                          {"first_id", model},
                          {"last_id", model}};
  return json::serialize(body);
}

}  // namespace drover::gateway
