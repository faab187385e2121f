// The C++ file that takes the built files into the program: src/api/dashboard_files.h.
import { createHash } from 'node:crypto';

const types = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const type_of = (name) => {
  const type = types[name.slice(name.lastIndexOf('.'))];
  if (!type) throw new Error(`web/build/embed.mjs: of what type is ${name}?`);
  return type;
};

// `files`: [{name, plain, gzip, plain_path, gzip_path}], the last two for the assembler. What is in
// them is part of the text, by its digest: so ccache and ninja see when it changes.
export function embedding(files) {
  const blob = (symbol, path, bytes) => `  // ${createHash('sha256').update(bytes).digest('hex')}
  .global ${symbol}
${symbol}:
  .incbin "${path}"
  .global ${symbol}_end
${symbol}_end:
`;
  const symbols = files.map((_, i) => [`drover_dashboard_${i}_plain`, `drover_dashboard_${i}_gzip`]);
  const blobs = files.map((file, i) =>
    blob(symbols[i][0], file.plain_path, file.plain) + blob(symbols[i][1], file.gzip_path, file.gzip));
  const declared = symbols.flat().map((symbol) => `extern char const ${symbol}[], ${symbol}_end[];`);
  const view = (symbol) => `between(${symbol}, ${symbol}_end)`;
  const rows = files.map((file, i) =>
    `      {"${file.name}", "${type_of(file.name)}", ${view(symbols[i][0])}, ${view(symbols[i][1])}},`);
  return `// Written by web/build/embed.mjs.
#include "api/dashboard_files.h"

#include <array>
#include <cstddef>

asm(R"(
  .section .rodata
${blobs.join('')}  .byte 0
  .previous
)");

extern "C" {
${declared.join('\n')}
}

namespace drover::api {

namespace {
std::string_view between(char const* begin, char const* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}
}  // namespace

std::span<DashboardFile const> dashboard_files() {
  static std::array<DashboardFile, ${files.length}> const kFiles = {{
${rows.join('\n')}
  }};
  return kFiles;
}

}  // namespace drover::api
`;
}
