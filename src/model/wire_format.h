#pragma once
// The three wire formats in which programs speak to models, told apart by the path they call, and
// errors in each one's own shape. Pure; safe from any thread.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drover::model {

enum class WireFormat : std::uint8_t {
  messages,   // Anthropic: POST /v1/messages
  responses,  // OpenAI: POST /v1/responses
  chat,       // OpenAI and many others: POST /v1/chat/completions
};
inline constexpr std::array kWireFormats = {WireFormat::messages, WireFormat::responses,
                                            WireFormat::chat};

// As configuration names them: "anthropic", "openai-responses", "openai-chat".
[[nodiscard]] std::string_view to_string(WireFormat format);
[[nodiscard]] std::optional<WireFormat> parse_wire_format(std::string_view name);
// "/v1/messages", …; nullopt for any other path.
[[nodiscard]] std::string_view path_of(WireFormat format);
[[nodiscard]] std::optional<WireFormat> format_of_path(std::string_view path);

// The body of an answer of 400 or above.
[[nodiscard]] std::string error_body(WireFormat format, std::string_view type,
                                     std::string_view message);
// An error inside a stream that has begun with 200, as one server-sent event.
[[nodiscard]] std::string error_event(WireFormat format, std::string_view type,
                                      std::string_view message);

}  // namespace drover::model
