#include "broker/offer.h"

#include <charconv>
#include <map>

#include "net/http_types.h"

namespace drover::broker {

std::string stream_of(OfferLane const& lane) {
  std::string name = "task:dispatch:" + net::percent_encode(lane.task_type);
  if (lane.pool != kDefaultPool) name.append("@").append(net::percent_encode(lane.pool));
  if (!lane.labels.empty()) name.append("?").append(net::percent_encode(print_labels(lane.labels)));
  if (lane.level != PriorityLevel::normal) name.append(":").append(to_string(lane.level));
  return name;
}

std::vector<std::string> to_fields(Offer const& offer) {
  std::vector<std::string> fields{
      "run",      offer.offered.run.str(),
      "after",    fmt::to_string(static_cast<std::int64_t>(offer.offered.after)),
      "type",     offer.lane.task_type,
      "pool",     offer.lane.pool,
      "priority", std::string{to_string(offer.lane.level)}};
  if (!offer.lane.labels.empty())
    fields.insert(fields.end(), {"labels", print_labels(offer.lane.labels)});
  return fields;
}

std::optional<Offer> offer_of(std::vector<std::string> const& fields) {
  std::map<std::string_view, std::string_view> by_name;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2)
    by_name.emplace(fields[i], fields[i + 1]);
  auto const run = RunId::parse(by_name["run"]);
  auto const level = parse_priority_level(by_name["priority"]);
  std::string_view const after = by_name["after"];
  std::int64_t epoch = 0;
  auto const [end, problem] = std::from_chars(after.data(), after.data() + after.size(), epoch);
  auto labels = parse_labels(by_name["labels"]);
  bool const is_number = problem == std::errc{} && end == after.data() + after.size();
  if (!run || !level || !labels || !is_number || epoch < 0) return std::nullopt;
  Offer offer;
  offer.offered = {*run, Epoch{epoch}};
  offer.lane = {std::string{by_name["type"]}, std::string{by_name["pool"]}, *level,
                *std::move(labels)};
  return offer;
}

}  // namespace drover::broker
