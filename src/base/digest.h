#pragma once
// SHA-256 (FIPS 180-4), for names derived from content. Own code, because base links into the
// static unit, which has no OpenSSL. Not for signatures, tokens or passwords.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace drover {

// Not thread-safe; one object digests one text.
class Sha256 {
 public:
  static constexpr std::size_t kBytes = 32;
  // The processor's instructions for it, where it has them, or none of them anyway.
  enum class By : std::uint8_t { processor, plain };

  explicit Sha256(By by = By::processor) : by_(by) {}

  // May be called any number of times; only the concatenation counts.
  void update(std::string_view bytes);
  // The digest. The object is spent afterwards.
  [[nodiscard]] std::array<std::uint8_t, kBytes> finish();

 private:
  static constexpr std::size_t kBlockBytes = 64;

  void compress(std::span<std::uint8_t const, kBlockBytes> block);
  void compress_plain(std::span<std::uint8_t const, kBlockBytes> block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, kBlockBytes> block_{};
  std::size_t held_ = 0;  // bytes of block_ in use
  std::uint64_t bytes_total_ = 0;
  By by_;
};

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace drover
