// What there is to say about one repository.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

const [name] = process.argv.slice(2);
// A mirror that is away this once.
if (existsSync(`${name}/AWAY`)) {
  rmSync(`${name}/AWAY`);
  throw new Error(`the mirror of ${name} is away`);
}
const git = (...words) => execFileSync('git', ['-C', name, ...words], { encoding: 'utf8' }).trim();
const commits = Number(git('rev-list', '--count', 'HEAD'));
const todos = git('grep', '-c', '-e', '', 'HEAD', '--', 'TODO').split('\n')
  .reduce((sum, line) => sum + Number(line.split(':').at(-1)), 0);
writeFileSync(process.env.BABYSITTER_OUTPUT_JSON, JSON.stringify({ name, commits, todos }));
