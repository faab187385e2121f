// The engine of the test harness: what src/workflow does with a run directory, with a journal in
// memory. It answers a Host's turns; effects are ended by whoever drives it.
import keys from '../lib/keys.cjs';
import determinism from '../lib/determinism.cjs';

const counted = (counts, name) => {
  const n = counts.get(name) ?? 0;
  counts.set(name, n + 1);
  return n;
};
const norm = (text) => String(text ?? '').trim().replace(/[^A-Za-z0-9_-]+/g, '-') || 'default';

/** The process did something else than before, which a replay must not. */
export class ReplayError extends Error {
  constructor(message) {
    super(message);
    this.name = 'ReplayError';
  }
}

export class Journal {
  constructor({ processId, seed, clock }) {
    this.processId = processId;
    this.clock = clock;
    this.next = determinism.seeded(keys.sha256(`journal ${seed}`));
    this.entries = [];
    this.effects = new Map(); // by key, in the order in which they were asked for
    this.recorded = new Map();
    this.signals = [];
  }

  append(type, data) {
    const entry = { seq: this.entries.length + 1, type, at: this.clock.now, data };
    this.entries.push(entry);
    return entry;
  }

  request(effect) {
    effect.status = 'requested';
    this.effects.set(effect.key, effect);
    const { id, key, stepId, taskId, kind, label, argumentsHash } = effect;
    this.append('EFFECT_REQUESTED', { effectId: id, invocationKey: key, stepId, taskId, kind, label, argumentsHash });
  }

  resolve(effect, { value, error }) {
    if (effect.status !== 'requested') throw new Error(`${effect.label} has ended before: it is ${effect.status}`);
    effect.status = error === undefined ? 'ok' : 'error';
    if (error === undefined) effect.value = keys.plain(value) ?? null;
    else effect.error = error;
    const data = { effectId: effect.id, status: effect.status };
    const entry = this.append('EFFECT_RESOLVED', error === undefined ? data : { ...data, error });
    effect.endSeq = entry.seq;
    effect.endedAt = entry.at;
  }

  cancel(effect, reason) {
    effect.status = 'cancelled';
    effect.error = { name: 'EffectCancelledError', message: reason ?? 'cancelled' };
    const entry = this.append('EFFECT_CANCELLED', { effectId: effect.id, reason });
    effect.endSeq = entry.seq;
    effect.endedAt = entry.at;
  }

  record(key, kind, value) {
    const { at } = this.append('DROVER_RECORDED', { key, kind, value });
    this.recorded.set(key, { value, at });
    return value;
  }
}

// One life of the process over a journal: from its start, through what the journal has, and on.
export class Life {
  // `frozen`: nothing may be added, for this is a replay of all that there is. `stopsAhead`: it
  // ends where the journal does.
  constructor(journal, { frozen = false, stopsAhead = false } = {}) {
    this.journal = journal;
    this.frozen = frozen;
    this.stopsAhead = stopsAhead;
    this.known = journal.effects.size; // effects that there were before
    this.used = new Set();
    this.counts = new Map();
    this.sleeps = new Map();
    this.open = new Map(); // by number: {ask, effect}
    this.elapsed = [];
    this.fresh = []; // to be described
    this.describing = new Set();
    this.logs = [];
    this.done = undefined;
    this.problem = undefined;
  }

  // What a Host's wire does: a message, and its reply at once. An error goes to whoever drives this
  // life too, for the process may catch what it is thrown.
  ask(message) {
    try {
      return this.heard(message);
    } catch (error) {
      this.problem ??= error;
      throw error;
    }
  }

  heard(message) {
    for (const def of message.defs ?? []) this.define(def);
    for (const ask of message.asks ?? []) this.take(ask);
    for (const cancel of message.cancels ?? []) this.cancel(cancel);
    this.logs.push(...message.logs ?? []);
    if (message.done) this.done = message.done;
    if (message.recall) return { value: this.recall(message.recall) };
    return this.deliver();
  }

  isOver() {
    return this.done !== undefined && (this.done.output === undefined || this.open.size === 0);
  }

  stepOf(ask) {
    if (ask.kind === 'breakpoint') {
      const base = `__sdk.breakpoint.${ask.key}`;
      const n = counted(this.counts, base);
      return n === 0 ? base : `${base}.${n}`;
    }
    if (ask.key) return ask.key;
    const base = `${norm(ask.taskId)}.${norm(ask.label)}.${ask.shape}`;
    return `${base}.${counted(this.counts, base)}`;
  }

  take(ask) {
    if (ask.kind === 'sleep' && this.takeElapsed(ask)) return;
    const stepId = this.stepOf(ask);
    const key = `${this.journal.processId}:${stepId}:${ask.taskId}`;
    if (this.used.has(key)) throw new ReplayError(`two steps of the process are both named ${stepId}; give each its own key`);
    this.used.add(key);
    const effect = this.journal.effects.get(key);
    const shown = `${ask.taskId} '${ask.label ?? ''}'`;
    if (!effect && this.frozen)
      throw new ReplayError(`the replay asks for ${shown} (${stepId}), which it did not ask for before`);
    // Another tool noted none.
    if (effect?.argumentsHash && effect.argumentsHash !== ask.hash)
      throw new ReplayError(`the replay asks for ${shown} (${stepId}) with other arguments than before: ${JSON.stringify(effect.args)}`);
    const entry = { ask, effect, stepId, key };
    this.open.set(ask.n, entry);
    if (!effect) this.fresh.push(ask.n);
  }

  // A sleep whose time is over when it is asked for is recorded, and no effect.
  takeElapsed(ask) {
    const key = `elapsed:${ask.until}.${counted(this.sleeps, ask.until)}`;
    const known = this.journal.recorded.get(key);
    if (!known && (this.frozen || ask.until > this.journal.clock.now)) return false;
    if (!known) this.journal.record(key, 'sleep', true);
    this.elapsed.push({ n: ask.n, at: this.journal.recorded.get(key).at });
    return true;
  }

  define({ n, definition, inputs, error }) {
    const entry = this.open.get(n);
    this.describing.delete(n);
    if (!entry) return;
    if (error) {
      this.open.delete(n);
      return;
    }
    const { ask } = entry;
    entry.effect = {
      id: determinism.uuidOf(this.journal.next), key: entry.key, stepId: entry.stepId, taskId: ask.taskId,
      kind: definition.kind, label: ask.label ?? definition.labels?.[0] ?? definition.title ?? ask.taskId,
      args: inputs, definition, argumentsHash: ask.hash, until: ask.until, signal: ask.signal,
    };
    this.journal.request(entry.effect);
  }

  cancel({ n, reason }) {
    const entry = this.open.get(n);
    if (!entry) return;
    this.open.delete(n);
    this.describing.delete(n);
    this.fresh = this.fresh.filter((each) => each !== n);
    if (entry.effect?.status === 'requested') {
      if (this.frozen) throw new ReplayError(`the replay cancels ${entry.effect.label}, which it did not cancel before`);
      this.journal.cancel(entry.effect, reason);
    }
  }

  recall({ kind, key, value }) {
    if (kind === 'clock') return this.journal.clock.now;
    const known = this.journal.recorded.get(key);
    if (known) return known.value;
    if (kind === 'known') return null;
    if (kind === 'patched' && this.used.size < this.known) return false;
    if (this.frozen) throw new ReplayError(`the replay asks for ${key}, which it did not ask for before`);
    return this.journal.record(key, kind, this.drawn(kind, value));
  }

  drawn(kind, value) {
    const { next } = this.journal;
    if (kind === 'now') return this.journal.clock.now;
    if (kind === 'random') return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
    if (kind === 'uuid') return determinism.uuidOf(next);
    return kind === 'patched' ? true : value ?? null;
  }

  // As the engine does: one effect at a time, in the order of the journal.
  deliver() {
    const results = this.elapsed.map(({ n, at }) => ({ n, at, ok: true }));
    this.elapsed = [];
    if (results.length) return { results };
    const ended = [...this.open].filter(([, { effect }]) => effect && effect.status !== 'requested');
    ended.sort(([, a], [, b]) => a.effect.endSeq - b.effect.endSeq);
    if (ended.length) {
      const [n, { effect }] = ended[0];
      this.open.delete(n);
      const given = effect.status === 'ok' ? { ok: true, value: effect.value } : { ok: false, error: effect.error };
      return { results: [{ n, at: effect.endedAt, ...given }] };
    }
    if (this.fresh.length) this.checkCaughtUp();
    if (this.stopsAhead) return {};
    const fresh = this.fresh.map((n) => {
      this.describing.add(n);
      const { ask, key } = this.open.get(n);
      return { n, effectId: `effect-${n}`, key, taskId: ask.taskId };
    });
    this.fresh = [];
    return { results: [], fresh };
  }

  // What the journal has, the process has asked for.
  checkCaughtUp() {
    let left = this.known;
    for (const effect of this.journal.effects.values()) {
      if (left-- <= 0) return;
      if (!this.used.has(effect.key))
        throw new ReplayError(`the replay did not ask for ${effect.taskId} '${effect.label}' (${effect.stepId}), as it did before`);
    }
  }
}
