#include "base/digest.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/text.h"

namespace drover {
namespace {

// By whatever computes it, which must not show.
class DigestBy : public ::testing::TestWithParam<Sha256::By> {
 protected:
  static std::string hex(std::string_view text) {
    Sha256 hash{GetParam()};
    hash.update(text);
    auto const digest = hash.finish();
    return to_hex({reinterpret_cast<char const*>(digest.data()), digest.size()});
  }
};
INSTANTIATE_TEST_SUITE_P(Every, DigestBy,
                         ::testing::Values(Sha256::By::processor, Sha256::By::plain));

// The examples of FIPS 180-4 and of NIST's CAVP short-message vectors.
TEST_P(DigestBy, MatchesThePublishedVectors) {
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(hex("\xd3"), "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
  EXPECT_EQ(hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, DoesNotDependOnHowTheTextIsCut) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += static_cast<char>(i * 7);
  // Every length crosses or meets the edges of the 64-byte block and of its length field.
  for (std::size_t length = 0; length <= text.size(); ++length) {
    std::string_view const whole = std::string_view{text}.substr(0, length);
    for (std::size_t const cut : {std::size_t{0}, length / 3, length / 2, length}) {
      Sha256 hash;
      hash.update(whole.substr(0, cut));
      hash.update(whole.substr(cut));
      Sha256 at_once;
      at_once.update(whole);
      ASSERT_EQ(hash.finish(), at_once.finish()) << length << " cut at " << cut;
    }
  }
}

TEST(Digest, DiffersByAnyBit) {
  std::string text(130, 'x');
  std::string const before = sha256_hex(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] ^= 1;
    EXPECT_NE(sha256_hex(text), before);
    text[i] ^= 1;
  }
}

}  // namespace
}  // namespace drover
