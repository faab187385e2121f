#pragma once
// Answers and the reading of their requests' parts, shared by the routes.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/router.h"
#include "base/error.h"
#include "base/json.h"
#include "net/http_server.h"

namespace drover::api {

Task<Status> reply_json(net::HttpReply& reply, int status, json::object body,
                        net::Headers headers = {});
// An error as the API tells it: the pointer that its message starts with becomes a member.
Task<Status> reply_error(net::HttpReply& reply, Error error);

// A path parameter as an id; invalid_argument says what an id looks like.
template <class Id>
Result<Id> id_of(Call const& call, std::string_view name) {
  return Id::parse(call.path.find(name)->second);
}

// `?name=`; empty where absent.
[[nodiscard]] std::string query_text(net::HttpRequest const& request, std::string_view name);
// `?limit=`: 1 to 200, 50 where absent.
[[nodiscard]] Result<std::int64_t> limit_of(net::HttpRequest const& request);
// `?revision=`: the change is made only to this one; 0: only where there is none.
[[nodiscard]] Result<std::optional<std::int64_t>> revision_of(net::HttpRequest const& request);
// Who says to do it: whose the session is, else `?actor=`. Who has the server's token may say
// anybody's name.
[[nodiscard]] Result<std::string> actor_of(Call const& call);
// The header Idempotency-Key stands for the member where the body has none; two different keys are
// an error.
[[nodiscard]] Status take_key(net::HttpRequest const& request, std::optional<std::string>& key);
// Refuses query parameters that the route does not know.
[[nodiscard]] Status only_query(net::HttpRequest const& request,
                                std::initializer_list<std::string_view> known);
// Of a body that is an object with this one member, a list.
[[nodiscard]] Result<json::array> only_list(net::HttpRequest const& request, std::string_view name);

}  // namespace drover::api
