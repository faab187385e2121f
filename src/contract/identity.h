#pragma once
// identity.v1: header and claims of a dispatch token. Signing and verifying are the gateway's.
// Plain values.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "contract/invocation.h"

namespace drover::contract {

enum class TokenAlgorithm : std::uint8_t { eddsa, hs256 };

struct TokenHeader {
  TokenAlgorithm algorithm = TokenAlgorithm::eddsa;
  std::optional<std::string> kid;
};

struct ClaimedWorkspace {
  WorkspaceId id;
  WorkspaceMode mode = WorkspaceMode::ro;
};

struct Budget {
  std::optional<double> max_usd;
  std::optional<std::int64_t> max_tokens;
};

// Times are seconds since 1970.
struct Claims {
  std::string sub;
  std::optional<std::string> lch;
  std::vector<ClaimedWorkspace> ws;
  std::optional<std::vector<std::string>> tools;
  std::int64_t iat = 0;
  std::int64_t exp = 0;
  std::optional<std::int64_t> nbf;
  std::optional<std::string> aud;
  std::optional<std::string> unit;
  std::optional<RunId> run;
  std::optional<Epoch> epoch;
  std::optional<std::string> jti;
  std::optional<std::string> kid;
  std::optional<Budget> budget;
};

[[nodiscard]] Result<TokenHeader> parse_token_header(std::string_view text);
[[nodiscard]] Result<Claims> parse_claims(std::string_view text);
[[nodiscard]] std::string print(TokenHeader const& header);
[[nodiscard]] std::string print(Claims const& claims);

}  // namespace drover::contract
