#include "base/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/random.h"

namespace drover {
namespace {

std::string encode(std::uint32_t code) {
  std::string out;
  auto const add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | code >> 6), add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12), add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | code >> 18), add(0x80 | (code >> 12 & 0x3F)), add(0x80 | (code >> 6 & 0x3F)),
        add(0x80 | (code & 0x3F));
  }
  return out;
}

TEST(Utf8, EveryScalarValueAndNothingElseIsAccepted) {
  for (std::uint32_t code = 0; code <= 0x10FFFF; ++code) {
    bool const surrogate = code >= 0xD800 && code <= 0xDFFF;
    ASSERT_EQ(is_utf8(encode(code)), !surrogate) << code;
  }
  for (std::uint32_t const code : {0x110000U, 0x13FFFFU, 0x1FFFFFU})
    EXPECT_FALSE(is_utf8(encode(code)));
}

// The reference decides by what encode() can produce for a code point of that length.
TEST(Utf8, ExhaustiveOverLeadBytesAndEdgeTails) {
  auto const tails = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
  for (int lead = 0; lead < 256; ++lead)
    for (int const a : tails)
      for (int const b : tails)
        for (int const c : tails) {
          std::string text;
          for (int const byte : {lead, a, b, c})
            text += static_cast<char>(byte);
          std::size_t const length = lead < 0x80    ? 1
                                     : lead < 0xC2  ? 0
                                     : lead < 0xE0  ? 2
                                     : lead < 0xF0  ? 3
                                     : lead <= 0xF4 ? 4
                                                    : 0;
          bool good = length > 0;
          std::uint32_t code = length == 1
                                   ? static_cast<std::uint32_t>(lead)
                                   : static_cast<std::uint32_t>(lead) & (0xFFU >> (length + 1));
          for (std::size_t i = 1; i < length; ++i) {
            auto const tail = static_cast<unsigned char>(text[i]);
            good = good && (tail & 0xC0) == 0x80;
            code = code << 6 | (tail & 0x3FU);
          }
          good = good && (code < 0xD800 || code > 0xDFFF) && code <= 0x10FFFF &&
                 encode(code) == text.substr(0, length);
          if (length == 0) {
            ASSERT_FALSE(is_utf8(text)) << lead;
          } else {
            ASSERT_EQ(is_utf8(text.substr(0, length)), good) << lead << ' ' << a << ' ' << b;
          }
        }
}

TEST(Utf8, TruncatedCharactersAreIllFormed) {
  for (std::string const whole : {"é", "€", "𝄞"})
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
      EXPECT_FALSE(is_utf8(whole.substr(0, cut)));
      EXPECT_FALSE(is_utf8(whole.substr(cut)));
    }
}

TEST(Utf8, RepairAlwaysGivesUtf8AndKeepsGoodText) {
  EXPECT_EQ(to_utf8("grün €"), "grün €");
  EXPECT_EQ(to_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(to_utf8("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  SeededRandom random{5};
  for (int round = 0; round < 5000; ++round) {
    std::string bytes(random.below(40), '\0');
    random.fill(std::as_writable_bytes(std::span{bytes}));
    ASSERT_TRUE(is_utf8(to_utf8(bytes)));
    ASSERT_TRUE(is_utf8(terminal_safe(bytes)));
  }
}

TEST(Utf8, PrefixNeverCutsACharacterAndLosesAtMostThreeBytes) {
  std::string const text = "aé€𝄞" + std::string("z𝄞𝄞€é");
  for (std::size_t max = 0; max <= text.size() + 2; ++max) {
    auto const prefix = utf8_prefix(text, max);
    EXPECT_TRUE(is_utf8(prefix)) << max;
    EXPECT_TRUE(text.starts_with(prefix));
    EXPECT_LE(prefix.size(), max);
    if (max <= text.size()) {
      EXPECT_GE(prefix.size() + 3, max);
    }
  }
  // Bytes that are no text at all are cut too, not dropped whole.
  EXPECT_GE(utf8_prefix(std::string(100, '\x80'), 50).size(), 47U);
}

bool is_harmless(std::string_view text, bool line_end_allowed) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    if (c == '\t' || (c == '\n' && line_end_allowed)) continue;
    if (c < 0x20 || c == 0x7F) return false;
    // U+0080..U+009F are C2 80..C2 9F.
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0)
      return false;
  }
  return is_utf8(text);
}

TEST(TerminalSafe, NoControlCharacterSurvives) {
  for (std::uint32_t code = 0; code < 0x100; ++code) {
    auto const text = "x" + encode(code) + "y";
    EXPECT_TRUE(is_harmless(terminal_safe(text), true)) << code;
    EXPECT_TRUE(is_harmless(terminal_safe(text, Lines::flatten), false)) << code;
    // As a raw byte too: 0x9B alone is CSI for a terminal in an 8-bit mode.
    EXPECT_TRUE(is_harmless(terminal_safe(std::string("x") + static_cast<char>(code) + "y"), true));
  }
  EXPECT_EQ(terminal_safe("\x1b\x07\x7f"), "␛␇␡");
  EXPECT_EQ(terminal_safe("\u0085\u009b31m"), "<U+0085><U+009B>31m");
}

TEST(TerminalSafe, KnownAttacksBecomeVisibleText) {
  for (auto const* attack : {
           "\x1b]52;c;ZXZpbA==\x07",                      // writes the clipboard
           "\x1b]8;;http://evil/\x1b\\ok\x1b]8;;\x1b\\",  // a link that is not what it says
           "\x1b]0;title\x07",                            // sets the title
           "\x1b[21t",                                    // reports the title as input
           "\x1bP$q\"p\x1b\\",                            // DECRQSS
           "\x1bP+q544e\x1b\\",                           // XTGETTCAP
           "\x1b[2J\x1b[H",                               // clears the screen
           "\x1b[6n",                                     // reports the cursor as input
           "\x1b[?1049h",                                 // alternate screen
           "\x1b[8;1;1t",                                 // resizes
           "\x1b_G payload\x1b\\",                        // APC, graphics
           "\x1b^x\x1b\\",                                // PM
           "\x1b"
           "c",       // full reset
           "\x1b(0",  // line drawing charset
           "\x9b"
           "2J",                         // 8-bit CSI
           "\u009d52;c;ZXZpbA==\u009c",  // C1 OSC
           "\x0e\x0f\x05",               // shift out, in, answerback
           "secret\r        \r",         // hides what was written
           "a\b\b\bb",                   // the same by backspace
       }) {
    auto const safe = terminal_safe(attack);
    EXPECT_TRUE(is_harmless(safe, true)) << safe;
    EXPECT_NE(safe, attack);
  }
}

TEST(TerminalSafe, BidiAndLayoutControlsAreShown) {
  for (std::uint32_t const code : {0x061CU, 0x200EU, 0x200FU, 0x202AU, 0x202BU, 0x202CU, 0x202DU,
                                   0x202EU, 0x2066U, 0x2067U, 0x2068U, 0x2069U, 0x2028U, 0x2029U}) {
    auto const safe = terminal_safe("a" + encode(code) + "b");
    EXPECT_EQ(safe.find(encode(code)), std::string::npos) << std::hex << code;
    EXPECT_NE(safe.find("<U+"), std::string::npos) << std::hex << code;
  }
}

TEST(TerminalSafe, OrdinaryTextIsUntouched) {
  std::string const text = "int main() {\n\treturn 0;\n}\n日本語 עברית 👩‍💻 é";
  EXPECT_EQ(terminal_safe(text), text);
  EXPECT_EQ(terminal_safe("a\r\nb"), "a\nb");
  EXPECT_EQ(terminal_safe("a\rb"), "a␍b");
  EXPECT_EQ(terminal_safe("a\r\nb\tc", Lines::flatten), "a b c");
}

TEST(TerminalSafe, IsIdempotent) {
  SeededRandom random{6};
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random.below(60), '\0');
    random.fill(std::as_writable_bytes(std::span{bytes}));
    auto const once = terminal_safe(bytes);
    ASSERT_EQ(terminal_safe(once), once);
  }
}

TEST(Printable, IsOneBoundedLine) {
  EXPECT_EQ(printable("a\nb"), "a b");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abcd", 3), "abc…");
  EXPECT_EQ(printable("ab€", 3), "ab…");
}

TEST(Text, TrimSplitCompareHex) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_TRUE(iequals("Content-TYPE", "content-type"));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("[", "{"));  // differ by 32, as letters do
  EXPECT_EQ(to_hex(std::string_view{"\x00\x7f\xff", 3}), "007fff");
}

}  // namespace
}  // namespace drover
