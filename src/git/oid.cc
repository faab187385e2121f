#include "git/oid.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace drover::git {

namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

Result<Oid> Oid::parse(std::string_view hex) {
  auto const bad = [&] {
    return fail(ErrorCode::invalid_argument, "'{}' is not an object name of 40 hexadecimal digits",
                printable(hex));
  };
  if (hex.size() != kOidBytes * 2) return bad();
  Oid oid;
  for (std::size_t i = 0; i < kOidBytes; ++i) {
    int const high = hex_value(hex[2 * i]);
    int const low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return bad();
    oid.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return oid;
}

Oid Oid::from_raw(char const* raw) {
  Oid oid;
  std::memcpy(oid.bytes.data(), raw, kOidBytes);
  return oid;
}

std::string Oid::hex() const {
  return to_hex(raw());
}

std::string_view Oid::raw() const {
  return {reinterpret_cast<char const*>(bytes.data()), kOidBytes};
}

bool Oid::is_zero() const {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace drover::git
