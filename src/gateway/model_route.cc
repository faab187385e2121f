#include "gateway/model_route.h"

#include "base/text.h"

namespace drover::gateway {

namespace {

constexpr std::string_view kAnthropic = "anthropic/";
constexpr std::string_view kScripted = "scripted:";
constexpr std::size_t kNameBytesMax = 128;

bool is_model_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  for (char const c : name) {
    bool const fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_' || c == ':' || c == '@';
    if (!fine) return false;
  }
  return true;
}

}  // namespace

Result<ModelRoute> parse_model_name(std::string_view name) {
  if (name.starts_with(kScripted)) {
    std::string_view const path = name.substr(kScripted.size());
    if (!path.starts_with('/') || path.find('\0') != std::string_view::npos)
      return fail_next(ErrorCode::invalid_argument,
                       "the scripted model '" + printable(name) + "' names no absolute file",
                       "write scripted:/path/to/model.json");
    return ModelRoute{ModelRoute::Provider::scripted, "scripted", std::string{path}};
  }
  std::string_view const bare =
      name.starts_with(kAnthropic) ? name.substr(kAnthropic.size()) : name;
  bool const ours = name.starts_with(kAnthropic) || name.starts_with("claude-");
  if (!ours || !is_model_name(bare))
    return fail_next(ErrorCode::invalid_argument, "there is no model '" + printable(name) + "'",
                     "write anthropic/<model name> or scripted:<file>");
  return ModelRoute{ModelRoute::Provider::anthropic, std::string{bare}, {}};
}

}  // namespace drover::gateway
