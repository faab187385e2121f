// What differs between what is wanted and what is there.
import { readFileSync, writeFileSync } from 'node:fs';

const read = (name) => JSON.parse(readFileSync(name, 'utf8'));
const wanted = read('wanted.json');
const actual = read('actual.json');
const drifts = Object.keys(wanted)
  .filter((key) => wanted[key] !== actual[key])
  .map((key) => ({ key, wanted: wanted[key], actual: actual[key] ?? null }));
writeFileSync(process.env.BABYSITTER_OUTPUT_JSON, JSON.stringify(drifts));
