#pragma once
// Text from outside: is it UTF-8, and may it go to a terminal?
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace drover {

// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);
// Each ill-formed byte becomes U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view bytes);
// The longest prefix of at most `bytes_max` that does not cut a character.
[[nodiscard]] std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max);

enum class Lines { keep, flatten };
// Text of an agent or of a file made harmless for a terminal: escape sequences, C0/C1 controls,
// DEL and bidirectional overrides are shown as visible stand-ins (ESC as U+241B, …); tab stays;
// newlines stay with Lines::keep and become spaces with Lines::flatten. Carriage return never
// stays, so that no line can be overwritten.
[[nodiscard]] std::string terminal_safe(std::string_view text, Lines lines = Lines::keep);
// For error messages: terminal_safe, one line, at most `bytes_max`, with "…" where cut.
[[nodiscard]] std::string printable(std::string_view text, std::size_t bytes_max = 120);

[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] bool iequals(std::string_view left, std::string_view right);
[[nodiscard]] std::string to_hex(std::string_view bytes);

}  // namespace drover
