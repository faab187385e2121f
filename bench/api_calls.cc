#include "api_calls.h"

#include <sys/types.h>

#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "os/files.h"

namespace drover::bench {

namespace {

constexpr std::size_t kShown = 500;

Result<json::object> call(net::BlockingHttp& http, net::ClientRequest const& request) {
  auto const response = http.request(request);
  if (!response) return std::unexpected(response.error());
  if (response->status / 100 != 2)
    return fail(ErrorCode::upstream, "{} {}: {} {}", request.method, request.url, response->status,
                printable(response->body, kShown));
  if (response->body.empty()) return json::object{};
  auto value = parse_json(response->body);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object())
    return fail(ErrorCode::upstream, "{} {}: no object", request.method, request.url);
  return std::move(*value).as_object();
}

net::ClientRequest request_to(Address const& address, std::string method, std::string const& path) {
  net::ClientRequest request;
  request.method = std::move(method);
  request.url = address.url + path;
  request.headers = {{"Authorization", address.authorization},
                     {"Content-Type", "application/json"}};
  return request;
}

}  // namespace

Result<Address> address_in(std::string const& state_folder) {
  std::string const file = state_folder + "/server.json";
  auto const text = os::read_file(file);
  if (!text) return std::unexpected(text.error());
  auto const value = parse_json(*text);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  auto const url = object->string("url");
  auto const token = object->string("token");
  auto const pid = object->integer("pid");
  if (!url || !token || !pid)
    return fail(ErrorCode::data_corrupt, "{} lacks url, token or pid", file);
  return Address{*url, "Bearer " + *token, static_cast<pid_t>(*pid)};
}

Result<json::object> get_json(net::BlockingHttp& http, Address const& address,
                              std::string const& path) {
  return call(http, request_to(address, "GET", path));
}

Result<json::object> post_json(net::BlockingHttp& http, Address const& address,
                               std::string const& path, json::object const& body) {
  auto request = request_to(address, "POST", path);
  request.body = json::serialize(body);
  return call(http, request);
}

}  // namespace drover::bench
