#include "gateway/request_body.h"

#include <utility>

#include <boost/json.hpp>

#include "base/json.h"

namespace drover::gateway {

std::string upstream_body(std::string body, RequestHead const& head, std::string_view model,
                          model::WireFormat format) {
  bool const ask_usage = format == model::WireFormat::chat && head.stream && !head.include_usage;
  bool const rename = head.model != model;
  if (!ask_usage && !rename) return body;
  if (!rename && !head.has_stream_options) {
    auto const brace = body.find('{');
    body.insert(brace + 1, R"("stream_options":{"include_usage":true},)");
    return body;
  }
  boost::system::error_code error;
  json::monotonic_resource memory;
  json::value value = json::parse(body, error, &memory, {.max_depth = 64});
  if (error || !value.is_object()) return body;  // its head was read, so this cannot be
  json::object& object = value.get_object();
  object["model"] = model;
  if (ask_usage) {
    json::value& options = object["stream_options"];
    if (!options.is_object()) options = json::object(&memory);
    options.get_object()["include_usage"] = true;
  }
  return json::serialize(value);
}

}  // namespace drover::gateway
