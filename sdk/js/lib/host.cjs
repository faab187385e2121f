'use strict';
// Runs one process for the engine, which started this program and holds the other ends of two pipes.
//
// The process runs until the event loop has nothing left to do. Then all that it asked for since goes
// to the engine in one message, a turn, and the host blocks for the reply: effects that ended, in the
// order of the journal, and those to be described because nobody asked for them before. A run that
// has to wait is one whose engine does not reply yet.
const { existsSync, readdirSync } = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { pathToFileURL } = require('node:url');
const { makeContext } = require('./context.cjs');
const determinism = require('./determinism.cjs');
const { EffectCancelledError, rehydrate, serialize } = require('./errors.cjs');
const { plain, sha256 } = require('./keys.cjs');
const walls = require('./walls.cjs');
const { Wire } = require('./wire.cjs');

class Host {
  constructor(wire, start) {
    this.wire = wire;
    this.start = start;
    this.time = undefined; // of the last thing learned, in ms
    this.open = new Map(); // asks without an end, by number
    this.asked = 0;
    this.turn = { asks: [], defs: [], cancels: [], logs: [] };
    this.queries = new Map();
    this.cleanups = [];
    this.logs = 0;
  }

  // Workflow time, for Date.
  now() {
    this.time ??= this.recall('now', 'clock');
    return this.time;
  }

  ask(ask, described, scope) {
    if (scope?.cancelled) return Promise.reject(new EffectCancelledError('its scope was cancelled'));
    const n = ++this.asked;
    const where = new Error('here');
    const promise = new Promise((resolve, reject) => {
      this.open.set(n, { n, ask, described, scope, where, resolve, reject });
    });
    for (let at = scope; at; at = at.parent) at.effects.add(n);
    this.turn.asks.push({ n, ...ask });
    return promise;
  }

  cancel(n, reason) {
    const entry = this.open.get(n);
    if (!entry) return;
    this.turn.cancels.push({ n, reason });
    this.close(entry);
    entry.reject(new EffectCancelledError(reason ?? 'cancelled'));
  }

  close(entry) {
    this.open.delete(entry.n);
    for (let at = entry.scope; at; at = at.parent) at.effects.delete(entry.n);
  }

  // A value that the machine gives once and the journal ever after. Asks that came before it go
  // first, so that the journal has them in the order of the code.
  recall(kind, key, value) {
    return this.exchange({ recall: { kind, key, value } }).value;
  }

  hook(key, type, payload, options) {
    const known = this.exchange({ recall: { kind: 'known', key } });
    if (known.value !== null) return Promise.resolve(known.value);
    const result = runHooks(this.start.cwd, type, { ...payload, hookType: type, runId: this.start.runId }, options);
    this.recall('value', key, result);
    if (options.throwOnFailure && !result.success) return Promise.reject(new Error(result.error));
    return Promise.resolve(result);
  }

  // The engine writes it: here the run may be read-only.
  keepBlob(effectId, name, bytes) {
    this.exchange({ recall: { kind: 'blob', effectId, name, hex: bytes.toString('hex') } });
  }

  log(label, message) {
    this.turn.logs.push({ seq: ++this.logs, label, message });
  }

  halt(reason, payload) {
    this.done ??= { halt: { reason, payload } };
  }

  continueAsNew(inputs) {
    this.done ??= { again: { inputs } };
  }

  exchange(message) {
    const turn = this.turn;
    this.turn = { asks: [], defs: [], cancels: [], logs: [] };
    const reply = this.wire.ask({ ...turn, ...message });
    return this.heard(reply);
  }

  heard(reply) {
    while (reply?.where !== undefined || reply?.query !== undefined) {
      const answer = reply.query !== undefined ? this.answer(reply.query)
        : { where: lineOf(this.open.get(reply.where)?.where) };
      reply = this.wire.ask(answer);
    }
    if (reply === undefined || reply.end) process.exit(0);
    return reply;
  }

  answer({ name, args }) {
    try {
      const query = this.queries.get(name);
      if (!query) throw new Error(`the process answers no query '${name}'; it answers: ${[...this.queries.keys()].join(', ') || 'none'}`);
      return { answer: plain(query(args)) ?? null };
    } catch (error) {
      return { failed: serialize(error) };
    }
  }

  // Called when the event loop has run dry.
  idle() {
    const reply = this.exchange({ idle: true, done: this.done });
    for (const result of reply.results ?? []) this.give(result);
    for (const fresh of reply.fresh ?? []) this.describe(fresh);
  }

  give({ n, at, ok, value, error }) {
    const entry = this.open.get(n);
    if (!entry) return;
    if (at !== undefined) this.time = Math.max(this.time ?? 0, at);
    this.close(entry);
    if (ok) entry.resolve(value);
    else entry.reject(rehydrate(error));
  }

  // Builds what a new effect asks for.
  async describe(fresh) {
    const entry = this.open.get(fresh.n);
    if (!entry) return;
    const { task, options } = entry.described;
    let { args } = entry.described;
    if (entry.ask.stamped) args = { ...args, requestedAt: new Date(this.recall('clock', '')).toISOString() };
    try {
      const context = buildContext(this, fresh, options);
      const definition = await task.build(args, context);
      if (typeof definition?.kind !== 'string')
        throw new TypeError(`task ${task.id} gave no kind`);
      if (entry.ask.stamped && this.start.generation === 'shaped')
        definition.autoApproval = { consecutiveApprovals: 0, reason: 'No matching auto-approval rule', recommended: false };
      this.turn.defs.push({ n: fresh.n, definition: plain(definition), inputs: plain(args), label: options.label });
    } catch (error) {
      this.close(entry);
      this.turn.defs.push({ n: fresh.n, error: serialize(error) });
      entry.reject(error);
    }
  }
}

function buildContext(host, fresh, options) {
  const { start } = host;
  const taskDir = path.join(start.runDir, 'tasks', fresh.effectId);
  const toTaskRelativePath = (file) => path.posix.join('tasks', fresh.effectId, file);
  return {
    effectId: fresh.effectId,
    invocationKey: fresh.key,
    taskId: fresh.taskId,
    runId: start.runId,
    runDir: start.runDir,
    taskDir,
    tasksDir: path.join(start.runDir, 'tasks'),
    label: options.label,
    labels: options.label ? [options.label] : [],
    toTaskRelativePath,
    createBlobRef: async (name, value) => {
      const text = typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value, null, 2) + '\n';
      const extension = typeof value === 'string' ? '.txt' : Buffer.isBuffer(value) ? '.bin' : '.json';
      const file = `${name.replace(/[^A-Za-z0-9_-]+/g, '-')}-${sha256(text)}${extension}`;
      host.keepBlob(fresh.effectId, file, Buffer.from(text));
      return toTaskRelativePath(`blobs/${file}`);
    },
  };
}

// Programs in .a5c/hooks/<type> of the folder that the run was made in, in the order of their names.
function runHooks(cwd, type, payload, options) {
  const executedHooks = [];
  const folder = path.join(cwd ?? '.', '.a5c', 'hooks', type);
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => /\.(sh|bash|js|ts|py)$/.test(file)).sort() : [];
  for (const file of files) {
    const hookPath = path.join(folder, file);
    const ended = spawnSync('bash', [hookPath], {
      input: JSON.stringify(payload), cwd, timeout: options.timeout ?? 30_000, encoding: 'utf8',
    });
    executedHooks.push({ hookPath, hookName: file, status: ended.status === 0 ? 'success' : 'failed', exitCode: ended.status });
  }
  const failed = executedHooks.filter((hook) => hook.status === 'failed');
  const result = { hookType: type, success: failed.length === 0, executedHooks };
  if (failed.length) result.error = `hook ${failed[0].hookName} failed`;
  return result;
}

// Where in the process an effect was asked for.
function lineOf(error) {
  const lines = String(error?.stack ?? '').split('\n').slice(1);
  const own = lines.find((line) => line.includes('file://') || /\.(m?[jt]s|c[jt]s):/.test(line));
  return own?.match(/\(?((?:file:\/\/)?\/[^()\s]+)\)?$/)?.[1]?.replace('file://', '') ?? '';
}

async function load(start) {
  const module = await import(pathToFileURL(start.entry.path).href);
  const found = module[start.entry.export] ?? module.process ?? module.default;
  if (typeof found !== 'function')
    throw new TypeError(`${start.entry.path} exports no function ${start.entry.export || 'process'}`);
  return found;
}

async function execute(host) {
  const { start } = host;
  let found;
  try {
    found = await load(start);
    if (!start.onlyLoad) determinism.install({ seed: start.seed, now: () => host.now() });
  } catch (error) {
    host.done = { unloadable: serialize(error) };
    return;
  }
  if (start.onlyLoad) {
    host.done = { output: null };
    return;
  }
  await run(host, found);
}

async function run(host, found) {
  const ctx = makeContext(host);
  try {
    const output = await found(host.start.inputs, ctx, undefined);
    host.done ??= { output: plain(output) ?? null };
  } catch (error) {
    host.done ??= { error: serialize(error) };
  }
  for (const cleanup of host.cleanups) {
    try {
      await cleanup();
    } catch (error) {
      host.log('cleanup', String(error));
    }
  }
}

function main(input, output) {
  const wire = new Wire(input, output);
  const message = wire.read();
  if (message === undefined) process.exit(0);
  if (process.env.DROVER_PROCESS_SANDBOX === '1') walls.install();
  delete process.env.DROVER_PROCESS_SANDBOX;
  const host = new Host(wire, message.start);
  // An effect may fail before the process looks at its promise.
  process.on('unhandledRejection', (error) => host.log('unhandled rejection', String(error?.stack ?? error)));
  process.on('beforeExit', () => {
    host.idle();
    setImmediate(() => {});
  });
  execute(host);
}

module.exports = { Host, lineOf, main, run, runHooks };
if (require.main === module) main(3, 4);
