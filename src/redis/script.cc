#include "redis/script.h"

#include <openssl/evp.h>

#include <array>

#include "base/check.h"
#include "base/text.h"

namespace drover::redis {

namespace {

std::string sha1_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  int const done = EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  DROVER_CHECK(done == 1);
  return to_hex({reinterpret_cast<char const*>(digest.data()), size});
}

Command command_of(std::string_view name, std::string const& which, Script::Call const& call) {
  Command command{std::string{name}, which, fmt::to_string(call.keys.size())};
  command.insert(command.end(), call.keys.begin(), call.keys.end());
  command.insert(command.end(), call.arguments.begin(), call.arguments.end());
  return command;
}

}  // namespace

Script::Script(std::string_view text) : text_(text), digest_(sha1_hex(text)) {}

Command Script::by_digest(Call const& call) const {
  return command_of("EVALSHA", digest_, call);
}

Command Script::whole(Call const& call) const {
  return command_of("EVAL", text_, call);
}

}  // namespace drover::redis
