// SUMMARY.md of what was found.
import { readFileSync, writeFileSync } from 'node:fs';

const { found } = JSON.parse(readFileSync(process.env.BABYSITTER_INPUT_JSON, 'utf8'));
const rows = found.map((each) => each.error ? `| ${each.name} | | ${each.error} |`
  : `| ${each.name} | ${each.commits} | ${each.todos} |`);
const lines = ['| repository | commits | to do |', '|---|---|---|', ...rows];
writeFileSync('SUMMARY.md', lines.join('\n') + '\n');
writeFileSync(process.env.BABYSITTER_OUTPUT_JSON, JSON.stringify({ lines: lines.length }));
