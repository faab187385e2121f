// A run directory as the harness's journal.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import keys from '../lib/keys.cjs';
import { Journal } from './journal.mjs';

const readJson = async (...parts) => JSON.parse(await readFile(path.join(...parts), 'utf8'));
const readJsonIfThere = (...parts) => readJson(...parts).catch((error) => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
});

async function resultOf(folder, effectId) {
  const result = await readJson(folder, 'tasks', effectId, 'result.json');
  if (result.result !== undefined) return result.result;
  if (result.value !== undefined) return result.value;
  return result.resultRef ? readJson(folder, result.resultRef) : null;
}

export async function readRun(folder) {
  const record = await readJson(folder, 'run.json');
  const names = (await readdir(path.join(folder, 'journal'))).filter((name) => name.endsWith('.json')).sort();
  const clock = { now: 0 };
  const journal = new Journal({ processId: record.processId, seed: record.runId, clock });
  const byId = new Map();
  let createdAt = '';
  let done;
  const end = (entry, status, more) => {
    const effect = byId.get(entry.data.effectId);
    Object.assign(effect, { status, endSeq: entry.seq, endedAt: entry.at }, more);
  };
  const fold = {
    RUN_CREATED: async (entry, { recordedAt }) => { createdAt = recordedAt; },
    EFFECT_REQUESTED: async (entry, { data }) => {
      if (/^S\d{6,}$/.test(data.stepId))
        throw new Error(`${folder} counts its steps (${data.stepId}); replayRun() knows runs of the newer kind`);
      const task = await readJson(folder, data.taskDefRef);
      const inputs = task.inputs ?? (task.inputsRef ? await readJson(folder, task.inputsRef) : undefined);
      const effect = {
        id: data.effectId, key: data.invocationKey, stepId: data.stepId, taskId: data.taskId, kind: data.kind,
        label: data.label, args: inputs, definition: task, argumentsHash: data.argumentsHash, status: 'requested',
      };
      journal.effects.set(effect.key, effect);
      byId.set(effect.id, effect);
    },
    EFFECT_RESOLVED: async (entry, { data }) => end(entry, data.status, data.status === 'ok'
      ? { value: await resultOf(folder, data.effectId) } : { error: data.error }),
    EFFECT_CANCELLED: async (entry, { data }) =>
      end(entry, 'cancelled', { error: { name: 'EffectCancelledError', message: data.reason ?? 'cancelled' } }),
    DROVER_RECORDED: async (entry, { data }) => { journal.recorded.set(data.key, { value: data.value, at: entry.at }); },
    RUN_COMPLETED: async () => { done = { output: await readJsonIfThere(folder, 'state', 'output.json') }; },
    RUN_HALTED: async (entry, { data }) => { done = { halt: { reason: data.reason, payload: data.payload } }; },
    PROCESS_RUNTIME_ERROR: async (entry, { data }) => { done = { error: data.error }; },
    DROVER_PROCESS_CONTINUED: async () => { done = undefined; },
  };
  for (const name of names) {
    const text = await readJson(folder, 'journal', name);
    clock.now = Date.parse(text.recordedAt);
    await fold[text.type]?.(journal.append(text.type, text.data), text);
  }
  // Derived, and so it may be gone; and a run that was continued has the next one's name there.
  if (done && 'output' in done && (done.output === undefined || done.output?.continuedAs !== undefined)) done = undefined;
  const start = {
    runId: record.runId, runDir: folder, processId: record.processId, cwd: record.cwd ?? folder,
    inputs: await readJsonIfThere(folder, 'inputs.json'), nonInteractive: record.nonInteractive === true,
    generation: 'shaped', seed: keys.sha256(record.runId + createdAt),
  };
  return { journal, start, done };
}
