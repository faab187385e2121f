# Writes OUTPUT, a C++ file that holds the text of each of FILES. Run as a script, so that ccache
# sees the text in what it compiles.
set(table "")
foreach(file IN LISTS FILES)
  file(READ ${file} text)
  string(APPEND table "    R\"type(${text})type\",\n")
endforeach()
file(WRITE ${OUTPUT}
"#include <array>\n
#include \"contract/built_in_task_types.h\"\n
namespace drover::contract {\n
namespace {\n
constexpr std::array kTexts = std::to_array<std::string_view>({\n${table}});\n
}  // namespace\n
std::span<std::string_view const> built_in_task_type_texts() {\n  return kTexts;\n}\n
}  // namespace drover::contract\n")
