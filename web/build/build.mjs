// Types, checks and bundles the dashboard:
//   node build/build.mjs OUT        into OUT, with the C++ file that embeds it
//   node build/build.mjs --tests OUT  its unit tests, for node --test
// Files whose text has not changed are left alone, so that nothing is compiled for nothing.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { api_types, resolved } from './api_types.mjs';
import { embedding } from './embed.mjs';

const web = dirname(dirname(fileURLToPath(import.meta.url)));
// What a first visit may load, compressed.
const first_load_bytes_max = 80 * 1024;

function write(path, bytes) {
  const text = Buffer.from(bytes);
  if (existsSync(path) && readFileSync(path).equals(text)) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function generate() {
  const document = JSON.parse(readFileSync(join(web, '../src/api/openapi.json'), 'utf8'));
  write(join(web, 'generated/api.ts'), api_types(document));
  const schema = resolved(document, document.components.schemas.AgentSpec);
  write(join(web, 'generated/agent_schema.json'), JSON.stringify(schema));
}

function check_types() {
  const tsc = join(web, 'node_modules/typescript/bin/tsc');
  try {
    execFileSync(process.execPath, [tsc, '-p', web, '--pretty', 'false'], { encoding: 'utf8' });
  } catch (error) {
    process.stderr.write(error.stdout || String(error));
    process.exit(1);
  }
}

const common = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  write: false,
  logLevel: 'warning',
  absWorkingDir: web,
};

const short_digest = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 12);

async function bundle(out) {
  const made = await build({
    ...common,
    entryPoints: ['src/main.tsx', 'src/style/main.css'],
    outdir: out,
    minify: true,
    legalComments: 'none',
    loader: { '.svg': 'dataurl' },
  });
  const assets = made.outputFiles.map((file) => {
    const kind = file.path.slice(file.path.lastIndexOf('.'));
    return { name: `main-${short_digest(file.contents)}${kind}`, plain: Buffer.from(file.contents) };
  });
  const icon = readFileSync(join(web, 'src/icon.svg'));
  assets.push({ name: `icon-${short_digest(icon)}.svg`, plain: icon });
  let page = readFileSync(join(web, 'src/index.html'), 'utf8');
  for (const asset of assets)
    page = page.replace(`%${asset.name.replace(/-.*\./, '.')}%`, `/assets/${asset.name}`);
  return [{ name: 'index.html', plain: Buffer.from(page) }, ...assets];
}

// index.html → "index.html", main-….js → "main.js": the paths in the build folder stay the same.
const place = (name) => name.replace(/-[0-9a-f]{12}\./, '.');

async function build_page(out) {
  const files = (await bundle(out)).map((file) => {
    const plain_path = join(out, place(file.name));
    return { ...file, gzip: gzipSync(file.plain, { level: 9 }), plain_path, gzip_path: `${plain_path}.gz` };
  });
  for (const file of files) {
    write(file.plain_path, file.plain);
    write(file.gzip_path, file.gzip);
  }
  const bytes = files.reduce((sum, file) => sum + file.gzip.length, 0);
  if (bytes > first_load_bytes_max)
    throw new Error(`the dashboard has ${bytes} compressed bytes, over the ${first_load_bytes_max} of a first load`);
  write(join(out, 'dashboard_files.cc'), embedding(files));
  // The stamp of ninja, last.
  writeFileSync(join(out, 'sizes.json'),
    JSON.stringify(Object.fromEntries(files.map((file) => [file.name, file.gzip.length])), null, 2));
}

async function build_tests(out) {
  rmSync(out, { recursive: true, force: true });
  const tests = readdirSync(join(web, 'test')).filter((name) => /\.test\.tsx?$/.test(name));
  await build({
    ...common,
    entryPoints: tests.map((name) => `test/${name}`),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    define: { WEB_FOLDER: JSON.stringify(web) },
    write: true,
  });
}

const [first, second] = process.argv.slice(2);
if (!first || (first === '--tests' && !second)) {
  process.stderr.write('usage: node build/build.mjs [--tests] OUT\n');
  process.exit(2);
}
generate();
if (first === '--tests') await build_tests(resolve(second));
else {
  check_types();
  await build_page(resolve(first));
}
