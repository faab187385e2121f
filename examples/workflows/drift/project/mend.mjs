// Sets one value to what is wanted. A real one would call what keeps the values.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const [key] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(name, 'utf8'));
const actual = { ...read('actual.json'), [key]: read('wanted.json')[key] };
writeFileSync('actual.json.new', JSON.stringify(actual, null, 2) + '\n');
renameSync('actual.json.new', 'actual.json');
writeFileSync(process.env.BABYSITTER_OUTPUT_JSON, JSON.stringify({ key, value: actual[key] }));
