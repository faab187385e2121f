#pragma once
#include <string_view>

namespace drover::sandbox {

// Where programs inside are looked for, in whatever container or sandbox.
inline constexpr std::string_view kPathInside =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace drover::sandbox
