// Recorded runs of the SDK, replayed by the processes that made them.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { replayRun, ReplayError } from '../testing.mjs';

const data = fileURLToPath(new URL('../../../src/workflow/testdata', import.meta.url));

async function processOf(folder) {
  const { entrypoint } = JSON.parse(readFileSync(path.join(folder, 'run.json'), 'utf8'));
  const module = await import(pathToFileURL(path.resolve(folder, entrypoint.importPath)).href);
  return module[entrypoint.exportName] ?? module.process;
}

const runs = {
  completed: true, 'completed-parallel': true, 'failed-process-throw': true, 'shell-error': true, keys: false,
  'crash-journal-tmp': false, created: false, 'pending-breakpoint': false, 'pending-node': false, 'pending-parallel': false, 'pending-sleep': false,
};
for (const [name, ends] of Object.entries(runs)) {
  test(`${name} of the SDK's sixth version goes on`, async () => {
    const folder = path.join(data, 'v6', name);
    assert.equal(await replayRun(await processOf(folder), folder), ends);
  });
}

test('a run that drover recorded comes to its end', async () => {
  const folder = fileURLToPath(new URL('../../../tests/workflows/recorded/ship/runs/run', import.meta.url));
  assert.equal(await replayRun(await processOf(folder), folder), true);
});

test('a run is refused by a process that has changed, and stays as it is', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'drover-recorded-'));
  try {
    cpSync(path.join(data, 'v6', 'pending-parallel'), path.join(root, 'v6', 'run'), { recursive: true });
    cpSync(path.join(data, 'processes'), path.join(root, 'processes'), { recursive: true });
    writeFileSync(path.join(root, 'package.json'), '{"type":"module"}');
    await replayRun(await processOf(path.join(root, 'v6', 'run')), path.join(root, 'v6', 'run'));
    await assert.rejects(replayRun(async () => 'nothing', path.join(root, 'v6', 'run')), ReplayError);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a run of the SDK that counts its steps is named as such', () =>
  assert.rejects(replayRun(async () => 1, path.join(data, 'v0', 'pending-node')), /counts its steps/));
