#include "api/approval_routes.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"

namespace drover::api {

namespace {

constexpr std::size_t kCommentBytesMax = 4096;
constexpr std::array<std::string_view, 4> kMembers = {"decision", "digest", "comment", "response"};

Result<ApprovalAnswer> answer_of(std::string const& body) {
  auto const value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw())
    if (std::ranges::find(kMembers, std::string_view{member.key()}) == kMembers.end())
      return fail(ErrorCode::invalid_argument, "/{}: a decision has no such member",
                  printable(member.key(), 80));
  ApprovalAnswer answer;
  auto const decision = object->string("decision");
  if (!decision) return std::unexpected(decision.error());
  if (*decision != "approve" && *decision != "reject")
    return fail(ErrorCode::invalid_argument, "/decision: expected approve or reject, found '{}'",
                printable(*decision, 40));
  if (*decision == "approve") answer.decision = worker::Decision::approve;
  auto const digest = object->optional_string("digest");
  if (!digest) return std::unexpected(digest.error());
  answer.digest = digest->value_or("");
  auto const comment = object->optional_string("comment");
  if (!comment) return std::unexpected(comment.error());
  answer.comment = comment->value_or("");
  auto const response = object->optional_string("response");
  if (!response) return std::unexpected(response.error());
  answer.response = response->value_or("");
  for (auto const& [place, text] :
       {std::pair{"/comment", &answer.comment}, std::pair{"/response", &answer.response}})
    if (text->size() > kCommentBytesMax)
      return fail(ErrorCode::too_large, "{}: at most {} bytes, not {}", place, kCommentBytesMax,
                  text->size());
  return answer;
}

}  // namespace

RouteTable<ApprovalRoutes> ApprovalRoutes::table() {
  using Self = ApprovalRoutes;
  static constexpr std::array<RouteEntry<Self>, 3> kTable = {{
      {{"GET", "/api/v1/approvals", "listApprovals"}, Access::token, &Self::list_approvals},
      {{"GET", "/api/v1/approvals/{approval}", "getApproval"}, Access::token, &Self::get_approval},
      {{"POST", "/api/v1/approvals/{approval}/decision", "decideApproval"},
       Access::token,
       &Self::decide_approval},
  }};
  return kTable;
}

Task<Status> ApprovalRoutes::list_approvals(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"state", "session", "limit", "before"});
  if (!known) co_return known;
  auto const limit = limit_of(call.request);
  if (!limit) co_return std::unexpected(limit.error());
  worker::ApprovalFilter filter;
  filter.most = static_cast<std::size_t>(*limit);
  filter.before = query_text(call.request, "before");
  auto const state = query_text(call.request, "state");
  if (!state.empty()) {
    auto const wanted = worker::parse_approval_state(state);
    if (!wanted) co_return std::unexpected(wanted.error());
    filter.state = *wanted;
  }
  auto const session = query_text(call.request, "session");
  if (!session.empty()) {
    auto id = SessionId::parse(session);
    if (!id) co_return std::unexpected(id.error());
    filter.session = *std::move(id);
  }
  auto const approvals = co_await services_.readers.run(
      [filter](store::Database& database) { return worker::list_approvals(database, filter); });
  if (!approvals) co_return std::unexpected(approvals.error());
  json::array items;
  for (worker::Approval const& approval : *approvals)
    items.push_back(worker::to_json(approval));
  json::object body{{"approvals", std::move(items)}, {"next", nullptr}};
  if (approvals->size() == filter.most) body["next"] = json::string{approvals->back().id.str()};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Result<worker::Approval>> ApprovalRoutes::find(worker::ApprovalId id) {
  co_return co_await services_.readers.run(
      [id](store::Database& database) { return worker::find_approval(database, id); });
}

Task<Status> ApprovalRoutes::get_approval(Call call, net::HttpReply& reply) {
  auto id = id_of<worker::ApprovalId>(call, "approval");
  if (!id) co_return std::unexpected(id.error());
  auto const approval = co_await find(*std::move(id));
  if (!approval) co_return std::unexpected(approval.error());
  co_return co_await reply_json(reply, 200, worker::to_json(*approval));
}

Task<Result<worker::Approval>> ApprovalRoutes::decide(worker::Approval approval,
                                                      ApprovalAnswer answer) {
  using worker::ApprovalKind;
  if (approval.kind != ApprovalKind::breakpoint && !answer.response.empty())
    co_return fail(ErrorCode::invalid_argument, "/response: only a breakpoint is answered");
  driver::Verdict verdict;
  switch (approval.kind) {
    case ApprovalKind::change:
      co_return co_await proposals_.decide(std::move(approval.id), answer.decision,
                                           std::move(answer.comment));
    case ApprovalKind::tool:
      co_return co_await calls_.decide(std::move(approval.id), answer.decision,
                                       std::move(answer.comment));
    case ApprovalKind::breakpoint:
      verdict.approved = answer.decision == worker::Decision::approve;
      verdict.response = std::move(answer.response);
      verdict.comment = std::move(answer.comment);
      co_return co_await breakpoints_.answer(std::move(approval.id), std::move(verdict));
  }
  co_return fail(ErrorCode::internal, "nobody decides approvals of this kind");
}

Task<Status> ApprovalRoutes::decide_approval(Call call, net::HttpReply& reply) {
  auto id = id_of<worker::ApprovalId>(call, "approval");
  if (!id) co_return std::unexpected(id.error());
  auto answer = answer_of(call.request.body);
  if (!answer) co_return std::unexpected(answer.error());
  auto const approval = co_await find(*id);
  if (!approval) co_return std::unexpected(approval.error());
  if (!answer->digest.empty() && answer->digest != approval->digest)
    co_return fail_next(ErrorCode::conflict, "/digest: it is that of something else",
                        "read the approval again, and decide on what it says now");
  auto const decided = co_await decide(*approval, *std::move(answer));
  if (!decided) co_return std::unexpected(decided.error());
  co_return co_await reply_json(reply, 200, worker::to_json(*decided));
}

}  // namespace drover::api
