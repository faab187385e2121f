// Tests of processes without a server, a disk or a wait: effects are ended out of a table, time is
// skipped, and whenever the process comes to rest it is replayed from its journal, so that a test
// fails where a restart would.
import { strict as assert } from 'node:assert';
import determinism from './lib/determinism.cjs';
import errors from './lib/errors.cjs';
import hosts from './lib/host.cjs';
import keys from './lib/keys.cjs';
import { Journal, Life, ReplayError } from './testing/journal.mjs';
import { readRun } from './testing/recorded.mjs';

export { ReplayError };

const tick = () => new Promise((resolve) => setImmediate(resolve));
const realTimeout = setTimeout;
const pause = (ms) => new Promise((resolve) => realTimeout(resolve, ms));
// For a build function, or a process, that waits for something of the machine.
const patienceMs = 5000;

const leftOpen = Symbol('left open');
class InOrder {
  constructor(results) {
    this.results = results;
  }
}
class After {
  constructor(ms, result) {
    this.ms = ms;
    this.result = result;
  }
}

/** In a table: the effect stays open. */
export const pending = leftOpen;
/** In a table: the first effect ends with the first, the next with the next; further ones stay open. */
export const inOrder = (...results) => new InOrder(results);
/** In a table: the effect ends so much later. */
export const after = (ms, result) => new After(ms, result);

class TestHost extends hosts.Host {
  constructor(life, start, hooks) {
    super(life, start);
    this.hooks = hooks;
  }

  keepBlob() {}

  hook(key, type, payload, options) {
    const known = this.exchange({ recall: { kind: 'known', key } }).value;
    const made = this.hooks[type];
    const result = known ?? (typeof made === 'function' ? made(payload) : made) ??
      { hookType: type, success: true, executedHooks: [] };
    if (known === null) this.recall('value', key, keys.plain(result));
    if (options.throwOnFailure && result.success === false) return Promise.reject(new Error(result.error));
    return Promise.resolve(result);
  }
}

// One life, brought to where it rests.
class Driven {
  constructor(life, start, process, hooks) {
    this.life = life;
    this.host = new TestHost(life, start, hooks);
    this.machine = determinism.makeMachine({ seed: start.seed, now: () => this.host.now() });
    this.process = process;
    this.begun = false;
  }

  async rest() {
    const restore = this.machine.install();
    const unhandled = (error) => this.host.log('unhandled rejection', String(error?.stack ?? error));
    process.on('unhandledRejection', unhandled);
    try {
      if (!this.begun) {
        this.begun = true;
        hosts.run(this.host, this.process);
      }
      await this.settle();
    } finally {
      process.off('unhandledRejection', unhandled);
      restore();
    }
  }

  async settle() {
    for (let waited = 0; ; ) {
      await tick();
      const reply = this.host.exchange({ idle: true, done: this.host.done });
      for (const result of reply.results ?? []) this.host.give(result);
      for (const fresh of reply.fresh ?? []) this.host.describe(fresh);
      if (reply.results?.length || reply.fresh?.length) continue;
      await tick();
      if (this.life.problem) throw this.life.problem;
      const { asks, defs, cancels } = this.host.turn;
      if (asks.length || defs.length || cancels.length) continue;
      if (this.life.isOver()) return;
      if (this.life.describing.size === 0 && this.life.open.size > 0) return;
      if (waited++ >= patienceMs)
        throw new Error('the process waits for something that is none of its effects');
      await pause(1);
    }
  }
}

async function replayed(driven, done) {
  await driven.rest();
  driven.life.checkCaughtUp();
  const shown = ({ output, error, halt, again } = {}) => ({ output, error: error?.message, halt, again });
  try {
    assert.deepEqual(shown(driven.life.done), shown(done));
  } catch (error) {
    throw new ReplayError(`the replay came to another end: ${error.message}`);
  }
}

/** A process under test, at rest. */
export class TestRun {
  constructor(process, options) {
    const { inputs, now = '2026-01-01T00:00:00.000Z', seed = 'test', processId = 'test' } = options;
    this.clock = { now: new Date(now).getTime() };
    if (!Number.isFinite(this.clock.now)) throw new RangeError(`now: ${now} is no time`);
    this.journalState = new Journal({ processId, seed, clock: this.clock });
    this.process = process;
    this.options = options;
    this.used = new Map();
    this.draw = determinism.seeded(keys.sha256(`order ${options.shuffle ?? ''}`));
    this.start = {
      runId: options.runId ?? 'test-run', runDir: '/nonexistent/test-run', processId, cwd: '/nonexistent',
      inputs: keys.plain(inputs), nonInteractive: options.nonInteractive === true, generation: 'shaped',
      seed: keys.sha256(`seed ${seed}`),
    };
    this.journalState.append('RUN_CREATED', { runId: this.start.runId, processId });
    this.journalState.signals.push(...(options.signals ?? []));
    this.driven = this.born(false);
  }

  born(frozen) {
    return new Driven(new Life(this.journalState, { frozen }), this.start, this.process, this.options.hooks ?? {});
  }

  /** `completed`, `failed`, `halted`, `continued`, or `waiting`. */
  get status() {
    const { life } = this.driven;
    if (!life.isOver()) return 'waiting';
    if (life.done.error) return 'failed';
    if (life.done.halt) return 'halted';
    return life.done.again ? 'continued' : 'completed';
  }
  get output() {
    return this.driven.life.done?.output;
  }
  get error() {
    const record = this.driven.life.done?.error;
    return record && errors.rehydrate(record);
  }
  get halted() {
    return this.driven.life.done?.halt;
  }
  get continuedWith() {
    return this.driven.life.done?.again?.inputs;
  }
  get now() {
    return new Date(this.clock.now);
  }
  get effects() {
    return [...this.journalState.effects.values()];
  }
  get pending() {
    return this.effects.filter((effect) => effect.status === 'requested');
  }
  /** Entries, oldest first: {seq, type, at, data}. */
  get journal() {
    return this.journalState.entries;
  }
  get logs() {
    return this.driven.life.logs.map(({ message }) => message);
  }

  /** Ends an effect that is open, named by label, task id or id; the process goes on. */
  async resolve(name, value) {
    this.journalState.resolve(this.openEffect(name), { value });
    return this.goOn();
  }
  async reject(name, error) {
    this.journalState.resolve(this.openEffect(name), { error: errors.serialize(error) });
    return this.goOn();
  }
  async signal(name, payload) {
    this.journalState.signals.push({ name, payload });
    return this.goOn();
  }
  /** Lets time go by: timers that are due fire. */
  async advance(ms) {
    this.clock.now += ms;
    return this.goOn();
  }
  query(name, args) {
    const { answer, failed } = this.driven.host.answer({ name, args });
    if (failed) throw errors.rehydrate(failed);
    return answer;
  }

  openEffect(name) {
    const found = this.pending.find(({ id, label, taskId }) => [id, label, taskId].includes(name));
    if (found) return found;
    throw new Error(`no effect ${name} is open; these are: ${this.pending.map(({ label }) => label).join(', ') || 'none'}`);
  }

  async goOn() {
    for (;;) {
      await this.driven.rest();
      if (this.options.replay === 'each') await this.replay();
      if (this.driven.life.isOver() || !(await this.endDue() || await this.endOne() || this.skipTime())) break;
    }
    if (this.options.replay !== false) await this.replay();
    return this;
  }

  // Timers whose time has come, and signals that came.
  async endDue() {
    const signals = this.journalState.signals;
    for (const effect of this.pending) {
      const due = effect.until !== undefined ? effect.until <= this.clock.now : effect.endsAt <= this.clock.now;
      const signal = effect.signal === undefined ? -1 : signals.findIndex(({ name }) => name === effect.signal);
      if (!due && signal < 0) continue;
      if (effect.endsAt !== undefined) await this.end(effect, effect.outcome);
      else this.journalState.resolve(effect, { value: due ? null : signals.splice(signal, 1)[0].payload });
      return true;
    }
    return false;
  }

  // One effect that the table has something for: the first that was asked for, or a drawn one.
  async endOne() {
    const candidates = this.pending.filter((effect) =>
      effect.until === undefined && effect.signal === undefined && effect.endsAt === undefined && this.lookUp(effect) !== leftOpen);
    if (!candidates.length) return false;
    const at = this.options.shuffle === undefined ? 0 : this.draw() % candidates.length;
    const effect = candidates[at];
    let outcome = this.lookUp(effect);
    if (outcome instanceof InOrder) {
      const n = this.used.get(outcome) ?? 0;
      this.used.set(outcome, n + 1);
      outcome = outcome.results[n];
    }
    if (outcome instanceof After) {
      effect.endsAt = this.clock.now + outcome.ms;
      effect.outcome = outcome.result;
      return true;
    }
    await this.end(effect, outcome);
    return true;
  }

  async end(effect, outcome) {
    let given = { value: outcome };
    try {
      const value = typeof outcome === 'function' ? await outcome(effect.args, effect) : outcome;
      given = value instanceof Error ? { error: errors.serialize(value) } : { value };
    } catch (error) {
      given = { error: errors.serialize(error) };
    }
    this.journalState.resolve(effect, given);
  }

  lookUp(effect) {
    const table = this.options.effects ?? {};
    const breakpointId = effect.definition.metadata?.breakpointId;
    const name = [effect.label, breakpointId, effect.taskId, effect.kind].find((each) => each !== undefined && Object.hasOwn(table, each));
    const found = name === undefined ? leftOpen : table[name];
    return found instanceof InOrder && (this.used.get(found) ?? 0) >= found.results.length ? leftOpen : found;
  }

  skipTime() {
    if (this.options.skipTime === false) return false;
    const times = this.pending.flatMap(({ until, endsAt }) => until ?? endsAt ?? []);
    if (!times.length) return false;
    this.clock.now = Math.max(this.clock.now, Math.min(...times));
    return true;
  }

  /** Runs the process once more from its start; throws ReplayError where it does anything else. */
  async replay() {
    await replayed(this.born(true), this.driven.life.done);
  }
}

// Clock and randomness are of the whole program, so that two runs cannot go on at once.
let running = Promise.resolve();
function alone(act) {
  const turn = running.then(act);
  running = turn.catch(() => {});
  return turn;
}

/** Runs a process to its end, or to where nothing in the table lets it go on. */
export function testProcess(process, options = {}) {
  if (typeof process !== 'function') throw new TypeError('testProcess() takes the process function');
  return alone(() => new TestRun(process, options).goOn());
}

/**
 * Runs a process over the run directory of a recorded run, which stays as it is. Throws ReplayError
 * where the process, as it is today, could not go on with that run. Returns whether it came to an end.
 */
export function replayRun(process, folder) {
  return alone(async () => {
    const { journal, start, done } = await readRun(folder);
    const driven = new Driven(new Life(journal, { stopsAhead: true }), start, process, {});
    if (done) await replayed(driven, done);
    else await driven.rest();
    driven.life.checkCaughtUp();
    return driven.life.isOver();
  });
}
