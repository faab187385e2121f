# Writes OUTPUT, a C++ file that holds the text of each of FILES (named by its file name without
# ".schema.json"). Run as a script, so that ccache sees the text in what it compiles.
set(table "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  string(REPLACE ".schema.json" "" name ${name})
  file(READ ${file} text)
  string(APPEND table "    {\"${name}\", R\"schema(${text})schema\"},\n")
endforeach()
file(WRITE ${OUTPUT}
"#include \"contract/schemas.h\"\n
namespace drover::contract {\n
std::array<EmbeddedSchema, kContractCount> const kEmbeddedSchemas = {{\n${table}}};\n
}  // namespace drover::contract\n")
