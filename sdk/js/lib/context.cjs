'use strict';
// `ctx`: what a process can ask for. A call becomes an ask, which the engine answers when the effect
// has ended; until then its promise stays open. Nothing is thrown to suspend a process, so that no
// try/catch can swallow it.
const { AsyncLocalStorage } = require('node:async_hooks');
const { argumentsHash, plain, shapeHash, slug } = require('./keys.cjs');
const { EffectTimeoutError, HaltError } = require('./errors.cjs');
const { makeParallel } = require('./parallel.cjs');

const scopes = new AsyncLocalStorage();

const breakpointTask = {
  id: '__sdk.breakpoint',
  build: (args) => ({
    kind: 'breakpoint',
    title: args.label,
    metadata: { ...args },
  }),
};
const sleepTask = {
  id: '__sdk.sleep',
  build: (args) => ({
    kind: 'sleep',
    title: `sleep:${args.iso}`,
    sleep: { ...args },
    metadata: { ...args },
  }),
};
const orchestratorTask = {
  id: '__sdk.orchestratorTask',
  build: (args) => ({
    kind: 'orchestrator_task',
    title: args.label,
    metadata: { payload: args.payload, orchestratorTask: true },
  }),
};
const signalTask = {
  id: '__drover.signal',
  build: (args) => ({ kind: 'signal', title: `signal:${args.name}`, signal: { ...args } }),
};
const childTask = {
  id: '__drover.child',
  build: (args) => ({ kind: 'child', title: `child:${args.entry}`, child: { ...args } }),
};

function checkTask(task) {
  if (typeof task?.id !== 'string' || !task.id || typeof task.build !== 'function')
    throw new TypeError('ctx.task() takes a task with an id and a build function, as defineTask() makes');
}

function sleepTarget(target) {
  const epoch = typeof target === 'number' ? target
    : target instanceof Date ? target.getTime() : Date.parse(target);
  if (!Number.isFinite(epoch) || epoch < 0)
    throw new RangeError(`ctx.sleepUntil() takes a time, and ${String(target)} is none`);
  return epoch;
}

function checkHeartbeat(timeoutMs) {
  if (timeoutMs === undefined || (Number.isSafeInteger(timeoutMs) && timeoutMs >= 1)) return;
  throw new RangeError(`heartbeatTimeoutMs is a whole number of milliseconds, and ${String(timeoutMs)} is none`);
}

// How long the `attempt`th try (1, 2, ...) waits before the next one.
function backoff(retry, attempt) {
  const first = retry.backoffMs ?? 1000;
  return Math.min(first * (retry.factor ?? 2) ** (attempt - 1), retry.maxBackoffMs ?? 3_600_000);
}

// `machine`: {ask, recall, cancel, halt, continueAsNew, log, queries, start}.
function makeContext(machine) {
  const counts = new Map();
  const nth = (name) => {
    const n = counts.get(name) ?? 0;
    counts.set(name, n + 1);
    return `${name}.${n}`;
  };

  // One effect, without retries or a time limit.
  const effect = (kind, task, args, options = {}, extra = {}) => {
    const given = plain(args);
    const { hashed = given, ...rest } = extra;
    const ask = {
      kind,
      taskId: task.id,
      label: options.label,
      key: options.key ?? options.stableKey,
      shape: shapeHash(given),
      hash: argumentsHash(hashed),
      ...rest,
    };
    return machine.ask(ask, { task, args, options }, scopes.getStore());
  };

  const scoped = (thunk) => {
    const scope = { parent: scopes.getStore(), effects: new Set(), cancelled: false };
    const promise = scopes.run(scope, async () => thunk());
    const cancel = (reason) => {
      scope.cancelled = true;
      for (const open of scope.effects) machine.cancel(open, reason);
    };
    return { promise, cancel };
  };
  const parallel = makeParallel(scoped, () => machine.recall('patched', nth('patched:__drover.race')));

  const within = async (limitMs, what, thunk) => {
    if (limitMs === undefined) return thunk();
    const timer = async () => {
      await ctx.sleep(limitMs);
      throw new EffectTimeoutError(`${what} took longer than ${limitMs} ms`);
    };
    return parallel.race([thunk, timer]);
  };

  const task = async (definition, args, options = {}) => {
    checkTask(definition);
    const { retry, timeoutMs, ...rest } = options;
    checkHeartbeat(rest.heartbeatTimeoutMs);
    const attempts = retry?.attempts ?? 1;
    let lastHeartbeat;
    for (let attempt = 1; ; ++attempt) {
      // Further tries of a step that has a name of its own need names too.
      const key = rest.key ?? rest.stableKey;
      const named = { ...rest, lastHeartbeat, ...(key && attempt > 1 ? { key: `${key}.try${attempt}` } : {}) };
      try {
        return await within(timeoutMs, definition.id, () => effect('task', definition, args, named));
      } catch (error) {
        const again = attempt < attempts && error?.name !== 'EffectCancelledError' &&
          (retry.when?.(error) ?? true);
        if (!again) throw error;
        // Where the next try may go on.
        lastHeartbeat = error?.data?.heartbeat ?? lastHeartbeat;
        await ctx.sleep(backoff(retry, attempt));
      }
    }
  };

  const breakpoint = async (payload, options = {}) => {
    if (machine.start.nonInteractive)
      return { approved: true, response: 'Auto-approved (non-interactive mode)' };
    const label = options.label || (typeof payload?.label === 'string' && payload.label) || 'Breakpoint';
    const said = { payload, label, expert: options.expert, tags: options.tags, strategy: options.strategy };
    if (options.autoApproveAfterN !== undefined) said.autoApproveAfterN = options.autoApproveAfterN;
    if (machine.start.generation === 'shaped')
      said.breakpointId = options.breakpointId ?? slug(options.label ?? label, 'breakpoint');
    // When it was asked is no part of what is asked.
    return effect('breakpoint', breakpointTask, { ...said, requestedAt: '' }, { ...options, label, key: said.breakpointId },
      { hashed: plain(said), stamped: true });
  };

  const ctx = {
    runId: machine.start.runId,
    runDir: machine.start.runDir,
    artifactsDir: `${machine.start.runDir}/artifacts`,
    task,
    breakpoint,
    parallel,
    // The time now, asked of the machine's clock once and recorded.
    now: () => new Date(machine.recall('now', nth('now'))),
    random: () => machine.recall('random', nth('random')),
    uuid: () => machine.recall('uuid', nth('uuid')),
    // Whether this run has the change `id`: true where it was not past this point when the code got it.
    patched: (id) => machine.recall('patched', `patched:${id}`),
    sleepUntil: (target, options = {}) => {
      const epoch = sleepTarget(target);
      const iso = new Date(epoch).toISOString();
      return effect('sleep', sleepTask, { targetEpochMs: epoch, iso },
        { ...options, label: options.label ?? `sleep:${iso}` }, { until: epoch }).then(() => undefined);
    },
    sleep: (ms, options) => ctx.sleepUntil(ctx.now().getTime() + ms, options),
    orchestratorTask: (payload, options = {}) => {
      const label = options.label ?? 'orchestrator-task';
      return effect('orchestrator', orchestratorTask, { payload, label }, { ...options, label });
    },
    // The next signal of this name that nobody has taken.
    signal: (name, options = {}) =>
      effect('signal', signalTask, { name }, { ...options, label: options.label ?? name }, { signal: name }),
    child: (entry, inputs, options = {}) =>
      effect('child', childTask, { entry, inputs, processId: options.processId }, options),
    hook: (type, payload, options = {}) => machine.hook(nth(`hook:${type}`), type, payload, options),
    query: (name, answer) => { machine.queries.set(name, answer); },
    // Runs `fn`; `cancel(reason)` of the returned scope cancels what it asked for and is still open.
    scope: (fn) => scoped(fn),
    log: (...words) => {
      const [label, message] = words.length >= 2 ? words : [undefined, words[0]];
      if (typeof message === 'string' && message) machine.log(label, message);
    },
    halt: (reason, payload) => {
      machine.halt(String(reason ?? 'halted'), plain(payload));
      throw new HaltError(String(reason ?? 'halted'));
    },
    continueAsNew: (inputs) => {
      machine.continueAsNew(plain(inputs));
      throw new HaltError('continued as new');
    },
    onCleanup: (fn) => { machine.cleanups.push(fn); },
  };
  return ctx;
}

module.exports = { makeContext };
