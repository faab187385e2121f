#include "workflow/collation.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace drover::workflow {

namespace {

// Of the root collation, before the letters; controls that are no white space are ignored.
constexpr std::string_view kBeforeLetters =
    "\t\n\v\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789";
// U+00C0…U+017F, two characters each: the letter in its case, and its accent as a…z in the
// collation's order of accents. Dots: no letter with an accent.
constexpr std::string_view kAccented =
    "AcAbAeAjAhAg..ClEcEbEeEhIcIbIeIhDoNjOcObOeOjOh..OoUcUbUeUhYb....acabaeajahag..cl"
    "ecebeeehicibieihdonjocoboeojoh..ooucubueuhyb..yhAnanAdadAmamCbcbCeceCkckCfcfDfdf"
    "DodoEnenEdedEkekEmemEfefGegeGdgdGkgkGlglHeheHohoIjijIninIdidImimIk......JejeKlkl"
    "..LblbLlllLflfLoloLoloNbnbNlnlNfnf......OnonOdodOioi....RbrbRlrlRfrfSbsbSeseSlsl"
    "SfsfTltlTftf....UjujUnunUdudUgugUiuiUmumWeweYeyeYhZbzbZkzkZfzfso";
constexpr char32_t kAccentedFirst = 0xC0;
constexpr std::uint32_t kLetters = 0x100;   // weights of a…z begin here
constexpr std::uint32_t kOthers = 0x10000;  // and those of all other characters here

struct Weight {
  std::uint32_t primary = 0;
  std::uint8_t accent = 0;
  std::uint8_t upper = 0;
};

char32_t next_character(std::string_view text, std::size_t& at) {
  auto const lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  std::size_t const more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  char32_t character = lead & (0x3FU >> more);
  for (std::size_t i = 0; i < more && at < text.size(); ++i)
    character = (character << 6U) | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  return character;
}

Weight letter(char c, std::uint8_t accent) {
  bool const upper = c >= 'A' && c <= 'Z';
  char const lower = upper ? static_cast<char>(c - 'A' + 'a') : c;
  return {kLetters + static_cast<std::uint32_t>(lower - 'a'), accent,
          static_cast<std::uint8_t>(upper ? 1 : 0)};
}

// A primary of 0: ignored.
Weight weight_of(char32_t character) {
  if (character < 0x80) {
    char const c = static_cast<char>(character);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return letter(c, 0);
    auto const at = kBeforeLetters.find(c);
    if (at == std::string_view::npos || c == '\0') return {};
    return {static_cast<std::uint32_t>(at) + 1, 0, 0};
  }
  std::size_t const at = 2 * (character - kAccentedFirst);
  if (character >= kAccentedFirst && at < kAccented.size() && kAccented[at] != '.')
    return letter(kAccented[at], static_cast<std::uint8_t>(kAccented[at + 1] - 'a'));
  return {kOthers + static_cast<std::uint32_t>(character), 0, 0};
}

std::vector<Weight> weights_of(std::string_view text) {
  std::vector<Weight> weights;
  weights.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    auto const weight = weight_of(next_character(text, at));
    if (weight.primary != 0) weights.push_back(weight);
  }
  return weights;
}

template <class Member>
int compare(std::vector<Weight> const& left, std::vector<Weight> const& right, Member member) {
  std::size_t const shared = std::min(left.size(), right.size());
  for (std::size_t i = 0; i < shared; ++i) {
    if (left[i].*member < right[i].*member) return -1;
    if (left[i].*member > right[i].*member) return 1;
  }
  if (left.size() == right.size()) return 0;
  return left.size() < right.size() ? -1 : 1;
}

}  // namespace

int locale_compare(std::string_view left, std::string_view right) {
  auto const a = weights_of(left);
  auto const b = weights_of(right);
  if (int const order = compare(a, b, &Weight::primary); order != 0) return order;
  if (int const order = compare(a, b, &Weight::accent); order != 0) return order;
  return compare(a, b, &Weight::upper);
}

json::value sorted_members(json::value const& value) {
  if (auto const* const items = value.if_array()) {
    json::array sorted;
    sorted.reserve(items->size());
    for (auto const& item : *items)
      sorted.push_back(sorted_members(item));
    return sorted;
  }
  auto const* const members = value.if_object();
  if (members == nullptr) return value;
  std::vector<json::key_value_pair const*> order;
  order.reserve(members->size());
  for (auto const& member : *members)
    order.push_back(&member);
  // Members lie in one array, so that their addresses settle what the collation leaves open.
  std::ranges::sort(order, [](auto const* left, auto const* right) {
    int const compared = locale_compare(left->key(), right->key());
    return compared != 0 ? compared < 0 : left < right;
  });
  json::object sorted;
  sorted.reserve(order.size());
  for (auto const* const member : order)
    sorted.emplace(member->key(), sorted_members(member->value()));
  return sorted;
}

}  // namespace drover::workflow
