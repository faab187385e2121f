#include "base/digest.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/text.h"

namespace drover {

namespace {

constexpr std::array<std::uint32_t, 64> kRoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t load_big_endian(std::uint8_t const* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
         std::uint32_t{at[3]};
}

#if defined(__x86_64__)

// The processor's own instructions: four rounds and four words of the schedule at a time, with the
// state as {a,b,e,f} and {c,d,g,h}.
__attribute__((target("sha,sse4.1"))) void compress_by_processor(
    std::array<std::uint32_t, 8>& state, std::uint8_t const* block) {
  __m128i const to_big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  std::array<__m128i, 16> w;
  for (std::size_t i = 0; i < 4; ++i) {
    auto const* const words = reinterpret_cast<__m128i const*>(block + 16 * i);
    w[i] = _mm_shuffle_epi8(_mm_loadu_si128(words), to_big_endian);
  }
  for (std::size_t i = 4; i < w.size(); ++i) {
    __m128i const sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i - 4], w[i - 3]),
                                      _mm_alignr_epi8(w[i - 1], w[i - 2], 4));
    w[i] = _mm_sha256msg2_epu32(sum, w[i - 1]);
  }
  auto const word = [&](std::size_t i) { return static_cast<int>(state[i]); };
  __m128i const abef = _mm_set_epi32(word(0), word(1), word(4), word(5));
  __m128i const cdgh = _mm_set_epi32(word(2), word(3), word(6), word(7));
  __m128i first = abef;
  __m128i second = cdgh;
  for (std::size_t i = 0; i < w.size(); ++i) {
    auto const* const constants = reinterpret_cast<__m128i const*>(&kRoundConstants[4 * i]);
    __m128i const sum = _mm_add_epi32(w[i], _mm_loadu_si128(constants));
    second = _mm_sha256rnds2_epu32(second, first, sum);
    first = _mm_sha256rnds2_epu32(first, second, _mm_shuffle_epi32(sum, 0x0E));
  }
  first = _mm_add_epi32(first, abef);
  second = _mm_add_epi32(second, cdgh);
  std::array<std::uint32_t, 4> fe_ba{};
  std::array<std::uint32_t, 4> hg_dc{};
  _mm_storeu_si128(reinterpret_cast<__m128i*>(fe_ba.data()), first);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(hg_dc.data()), second);
  state = {fe_ba[3], fe_ba[2], hg_dc[3], hg_dc[2], fe_ba[1], fe_ba[0], hg_dc[1], hg_dc[0]};
}

bool processor_digests() {
  static bool const does = __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1");
  return does;
}

#endif

}  // namespace

void Sha256::update(std::string_view bytes) {
  bytes_total_ += bytes.size();
  while (!bytes.empty()) {
    std::size_t const taken = std::min(bytes.size(), kBlockBytes - held_);
    std::memcpy(block_.data() + held_, bytes.data(), taken);
    bytes.remove_prefix(taken);
    held_ += taken;
    if (held_ == kBlockBytes) {
      compress(block_);
      held_ = 0;
    }
  }
}

std::array<std::uint8_t, Sha256::kBytes> Sha256::finish() {
  std::uint64_t const bits_total = bytes_total_ * 8;
  // One 1 bit, zeros up to 8 bytes before the end of a block, then the length in bits.
  update(std::string_view{"\x80", 1});
  constexpr std::array<char, kBlockBytes> kZeros{};
  update({kZeros.data(), (2 * kBlockBytes - 8 - held_) % kBlockBytes});
  std::array<char, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i)
    length[i] = static_cast<char>(bits_total >> (56 - 8 * i) & 0xFF);
  update({length.data(), length.size()});

  std::array<std::uint8_t, kBytes> digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)) & 0xFF);
  return digest;
}

void Sha256::compress(std::span<std::uint8_t const, kBlockBytes> block) {
#if defined(__x86_64__)
  if (by_ == By::processor && processor_digests()) {
    compress_by_processor(state_, block.data());
    return;
  }
#endif
  compress_plain(block);
}

void Sha256::compress_plain(std::span<std::uint8_t const, kBlockBytes> block) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i)
    w[i] = load_big_endian(block.data() + 4 * i);
  for (std::size_t i = 16; i < 64; ++i) {
    std::uint32_t const s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    std::uint32_t const s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint32_t const sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    std::uint32_t const choice = (e & f) ^ (~e & g);
    std::uint32_t const t1 = h + sum1 + choice + kRoundConstants[i] + w[i];
    std::uint32_t const sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    std::uint32_t const majority = (a & b) ^ (a & c) ^ (b & c);
    std::uint32_t const t2 = sum0 + majority;
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  std::array const round = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state_.size(); ++i)
    state_[i] += round[i];
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  auto const digest = hash.finish();
  return to_hex({reinterpret_cast<char const*>(digest.data()), digest.size()});
}

}  // namespace drover
