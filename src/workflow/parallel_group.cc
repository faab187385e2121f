#include "workflow/parallel_group.h"

#include <openssl/evp.h>

#include <array>

#include "base/check.h"
#include "base/text.h"

namespace drover::workflow {

std::string parallel_group_id(std::vector<std::string> const& keys) {
  std::string text;
  for (auto const& key : keys)
    text += key + "|";
  // SHA-1 because the format has it; nothing is secured by it.
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  int const done = EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  DROVER_CHECK(done == 1 && size >= 8);
  return to_hex({reinterpret_cast<char const*>(digest.data()), 8});
}

}  // namespace drover::workflow
