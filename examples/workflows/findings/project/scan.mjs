// Finds ranges of letters that end too early.
import { readFileSync, writeFileSync } from 'node:fs';

const findings = [];
readFileSync('slug.sh', 'utf8').split('\n').forEach((line, index) => {
  if (/A-[B-Y]\b/.test(line)) findings.push({ rule: 'short-range', file: 'slug.sh', line: index + 1, text: line.trim() });
});
writeFileSync(process.env.BABYSITTER_OUTPUT_JSON, JSON.stringify(findings));
