import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineTask } from '../index.mjs';
import { after, inOrder, pending, ReplayError, testProcess } from '../testing.mjs';

const build = defineTask('build', (args) => ({ kind: 'shell', title: `build ${args.target}`, shell: { command: 'make' } }));
const types = (run) => run.journal.map(({ type }) => type);

test('a process runs to its end on the results of the table', async () => {
  const run = await testProcess(async ({ target }, ctx) => {
    const built = await ctx.task(build, { target });
    return { built, target };
  }, { inputs: { target: 'all' }, effects: { build: ({ target }) => `${target} is built` } });
  assert.equal(run.status, 'completed');
  assert.deepEqual(run.output, { built: 'all is built', target: 'all' });
  assert.deepEqual(types(run), ['RUN_CREATED', 'EFFECT_REQUESTED', 'EFFECT_RESOLVED']);
  assert.deepEqual(run.effects[0].definition.shell, { command: 'make' });
  assert.equal(run.effects[0].stepId, 'build.default.f19ca0b78101.0');
});

test('what the table has nothing for stays open, until it is resolved', async () => {
  const run = await testProcess(async (inputs, ctx) => {
    const gate = await ctx.breakpoint({ question: 'ship it?' }, { label: 'Ship' });
    return gate.approved ? 'shipped' : 'kept';
  });
  assert.equal(run.status, 'waiting');
  assert.deepEqual(run.pending.map(({ label }) => label), ['Ship']);
  await run.resolve('Ship', { approved: true });
  assert.equal(run.output, 'shipped');
  await assert.rejects(run.resolve('Ship', {}), /no effect Ship is open/);
});

test('a breakpoint is found by its id too, and in a run without people it is approved', async () => {
  const ship = async (inputs, ctx) => ctx.breakpoint({}, { label: 'Ship it', breakpointId: 'ship' });
  const answered = await testProcess(ship, { effects: { ship: { approved: false } } });
  assert.deepEqual(answered.output, { approved: false });
  const alone = await testProcess(ship, { nonInteractive: true });
  assert.equal(alone.output.approved, true);
  assert.equal(alone.effects.length, 0);
});

test('errors reach the process, and retries wait in skipped time', async () => {
  const run = await testProcess((inputs, ctx) => ctx.task(build, {}, { retry: { attempts: 3, backoffMs: 60_000 } }), {
    effects: { build: inOrder(new Error('one'), () => { throw new Error('two'); }, 'built') },
    now: '2026-03-01T00:00:00Z',
  });
  assert.equal(run.output, 'built');
  assert.equal(run.now.toISOString(), '2026-03-01T00:03:00.000Z');
  const failed = await testProcess((inputs, ctx) => ctx.task(build, {}), { effects: { build: new Error('no disk') } });
  assert.equal(failed.status, 'failed');
  assert.equal(failed.error.message, 'no disk');
});

test('time goes by only as far as timers need, and not where it is held', async () => {
  const nap = async (inputs, ctx) => {
    await ctx.sleep(3_600_000);
    return new Date().toISOString();
  };
  const started = Date.now();
  const run = await testProcess(nap);
  assert.equal(run.output, '2026-01-01T01:00:00.000Z');
  assert.ok(Date.now() - started < 60_000);
  const held = await testProcess(nap, { skipTime: false });
  assert.equal(held.status, 'waiting');
  await held.advance(1_800_000);
  assert.equal(held.status, 'waiting');
  await held.advance(1_800_000);
  assert.equal(held.status, 'completed');
});

test('an effect that takes too long times out and is cancelled', async () => {
  const limited = (inputs, ctx) => ctx.task(build, {}, { timeoutMs: 1000 });
  const late = await testProcess(limited, { effects: { build: after(5000, 'late') } });
  assert.equal(late.status, 'failed');
  assert.equal(late.error.name, 'EffectTimeoutError');
  assert.ok(types(late).includes('EFFECT_CANCELLED'));
  const early = await testProcess(limited, { effects: { build: after(500, 'early') } });
  assert.equal(early.output, 'early');
});

test('signals are taken by name, also those that came before', async () => {
  const flow = async (inputs, ctx) => [await ctx.signal('a'), await ctx.signal('b')];
  const run = await testProcess(flow, { signals: [{ name: 'b', payload: 2 }] });
  assert.equal(run.status, 'waiting');
  await run.signal('a', 1);
  assert.deepEqual(run.output, [1, 2]);
});

test('the same order gives the same winner; another order, another', async () => {
  const race = (inputs, ctx) => ctx.parallel.race(['a', 'b', 'c', 'd'].map((label) => () => ctx.task(build, {}, { label })));
  const effects = { a: 'a', b: 'b', c: 'c', d: 'd' };
  assert.equal((await testProcess(race, { effects })).output, 'a');
  const winners = new Set();
  for (let shuffle = 0; shuffle < 30; ++shuffle) {
    const first = await testProcess(race, { effects, shuffle, replay: 'each' });
    const second = await testProcess(race, { effects, shuffle });
    assert.equal(first.output, second.output);
    winners.add(first.output);
  }
  assert.deepEqual([...winners].sort(), ['a', 'b', 'c', 'd']);
});

test('clock and randomness are those of the run, and put back', async () => {
  const draw = async (inputs, ctx) => {
    const before = [Math.random(), Date.now()];
    await ctx.task(build, {});
    return [...before, ctx.random(), ctx.uuid(), ctx.now().getTime(), Math.random(), crypto.randomUUID()];
  };
  const one = await testProcess(draw, { effects: { build: 1 } });
  const two = await testProcess(draw, { effects: { build: 1 } });
  assert.deepEqual(one.output, two.output);
  assert.notDeepEqual((await testProcess(draw, { effects: { build: 1 }, seed: 'other' })).output, one.output);
  assert.ok(Math.abs(Date.now() - new Date().getTime()) < 1000 && Date.now() > Date.UTC(2026, 0, 2));
});

test('a process that is not the same twice is caught', async () => {
  let n = 0;
  const changing = (inputs, ctx) => ctx.task(build, { n: n++ });
  await assert.rejects(testProcess(changing, { effects: { build: 1 } }), ReplayError);
  let asked = 0;
  const fewer = async (inputs, ctx) => {
    if (asked++ === 0) await ctx.task(build, {});
    return 1;
  };
  await assert.rejects(testProcess(fewer, { effects: { build: 1 } }), /did not ask for build/);
  let runs = 0;
  await assert.rejects(testProcess(async () => runs++), /came to another end/);
  let more = 0;
  const asksMore = async (inputs, ctx) => {
    try {
      if (more++ > 0) ctx.now();
    } catch {
      // A process that swallows everything is caught too.
    }
    return ctx.task(build, {});
  };
  await assert.rejects(testProcess(asksMore, { effects: { build: pending } }), /did not ask for before/);
});

test('hooks, queries, logs, halts and continuations', async () => {
  const run = await testProcess(async (inputs, ctx) => {
    ctx.query('count', (args) => args.by * 2);
    ctx.log('looking');
    const told = await ctx.hook('on-deploy', { to: 'prod' });
    await ctx.task(build, {});
    return told;
  }, { hooks: { 'on-deploy': ({ to }) => ({ success: true, to }) } });
  assert.equal(run.query('count', { by: 21 }), 42);
  assert.throws(() => run.query('other'), /answers no query/);
  await run.resolve('build', null);
  assert.deepEqual(run.output, { success: true, to: 'prod' });
  assert.deepEqual(run.logs, ['looking']);
  const halted = await testProcess(async (inputs, ctx) => ctx.halt('enough', { n: 1 }));
  assert.equal(halted.status, 'halted');
  assert.deepEqual(halted.halted, { reason: 'enough', payload: { n: 1 } });
  const again = await testProcess(async ({ n }, ctx) => ctx.continueAsNew({ n: n + 1 }), { inputs: { n: 1 } });
  assert.equal(again.status, 'continued');
  assert.deepEqual(again.continuedWith, { n: 2 });
});

test('a process that waits for the machine is waited for', async () => {
  const { readFile } = await import('node:fs/promises');
  const run = await testProcess(async (inputs, ctx) => {
    const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
    return ctx.task(build, { name: JSON.parse(text).name });
  }, { effects: { build: ({ name }) => name } });
  assert.equal(run.output, '@drover/workflow');
});

test('it says what it was given wrongly', () => {
  assert.throws(() => testProcess({}), /takes the process function/);
  return assert.rejects(testProcess(async () => 1, { now: 'soon' }), /no time/);
});

test('what a race or an any has not started when it is decided is not started', async () => {
  for (const kind of ['race', 'any']) {
    const run = await testProcess((inputs, ctx) =>
      ctx.parallel[kind]([0, 1, 2].map((i) => () => ctx.task(build, { i }, { label: `n${i}` })), { concurrency: 1 }),
    { effects: { n0: 'first' } });
    assert.equal(run.status, 'completed');
    assert.equal(run.output, 'first');
    assert.deepEqual(run.effects.map(({ label }) => label), ['n0']);
  }
});
