#include "gateway/upstream_request.h"

#include <array>
#include <utility>

#include "gateway/stream_filter.h"

namespace drover::gateway {

std::string upstream_url(Upstream const& upstream, std::string_view path) {
  constexpr std::string_view kVersion = "/v1";
  bool const anthropic = path.starts_with(model::path_of(model::WireFormat::messages));
  if (!anthropic) path.remove_prefix(kVersion.size());
  return upstream.base_url + std::string{path};
}

net::ClientRequest upstream_request(Upstream const& upstream, Secret const& key,
                                    std::string_view path, net::Headers const& from_unit,
                                    std::string body) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = upstream_url(upstream, path);
  request.headers = {{"content-type", "application/json"}};
  add_key(request.headers, upstream.key_header, key);
  bool const anthropic = path.starts_with(model::path_of(model::WireFormat::messages));
  if (anthropic && from_unit.find("anthropic-version") == nullptr)
    request.headers.add("anthropic-version", "2023-06-01");
  for (std::string_view const name : {"anthropic-version", "anthropic-beta", "openai-beta"}) {
    auto const* const value = from_unit.find(name);
    bool const fits = name.starts_with("anthropic") == anthropic;
    if (value != nullptr && fits) request.headers.add(std::string{name}, *value);
  }
  request.body = std::move(body);
  request.ca_file = upstream.ca_file;
  request.timeouts.connect = upstream.timeouts.connect;
  request.timeouts.head = upstream.timeouts.head;
  request.timeouts.idle = upstream.timeouts.idle;
  request.timeouts.total = upstream.timeouts.total;
  return request;
}

void add_key(net::Headers& headers, KeyHeader how, Secret const& key) {
  if (key.empty()) return;
  if (how == KeyHeader::bearer) return headers.add("authorization", "Bearer " + key.reveal());
  headers.add(how == KeyHeader::api_key ? "api-key" : "x-api-key", key.reveal());
}

net::Headers headers_for_unit(net::Headers const& upstream, Secret const& key) {
  constexpr std::array<std::string_view, 6> kPassed = {"content-type",   "retry-after",
                                                       "retry-after-ms", "request-id",
                                                       "x-request-id",   "x-should-retry"};
  net::Headers headers;
  for (std::string_view const name : kPassed) {
    auto const* const value = upstream.find(name);
    if (value != nullptr) headers.add(std::string{name}, KeyFilter::clean(*value, key));
  }
  return headers;
}

}  // namespace drover::gateway
