# Writes OUTPUT, a C++ file that holds FILES, CommonJS modules that require each other as "./NAME",
# as one program that runs host.cjs. Run as a script, so that ccache sees the text in what it
# compiles.
set(modules "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND modules "'./${name}': (module, exports, require) => {\n${text}\n},\n")
endforeach()
set(loader
"const modules = {\n${modules}};
const outer = require;
const loaded = new Map();
const inner = (name) => {
  if (!(name in modules)) return outer(name);
  if (!loaded.has(name)) {
    const module = { exports: {} };
    loaded.set(name, module);
    modules[name](module, module.exports, inner);
  }
  return loaded.get(name).exports;
};
inner.main = null;
inner('./host.cjs').main(3, 4);
")
# String literals are short for compilers; adjacent ones are one.
set(literals "")
string(LENGTH "${loader}" length)
set(at 0)
while(at LESS length)
  string(SUBSTRING "${loader}" ${at} 8000 part)
  string(APPEND literals "R\"host(${part})host\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUTPUT}
"#include \"workflow/host_process.h\"\n
namespace drover::workflow {\n
std::string_view host_program() {\n  return\n${literals};\n}\n
}  // namespace drover::workflow\n")
