// What a process can do, in one: recorded values, several at once, errors, timers, signals.
const build = { id: 'build', build: (args) => ({ kind: 'shell', title: 'build', shell: { command: 'make', args: [args.target] } }) };
const ask = { id: 'ask', build: (args) => ({ kind: 'agent', title: args.name, agent: args }) };

export async function process(inputs, ctx) {
  const begun = ctx.now().toISOString();
  const built = await ctx.task(build, { target: inputs.target }, { retry: { attempts: 2, backoffMs: 0 } });
  const names = await ctx.parallel.map(inputs.names, (name) => ctx.task(ask, { name, luck: ctx.random() }, { label: name }), { concurrency: 2 });
  const first = await ctx.parallel.race(['x', 'y'].map((label) => () => ctx.task(ask, { name: label }, { label })));
  await ctx.sleepUntil('2020-01-01T00:00:00Z');
  const gate = await ctx.breakpoint({ question: 'ship it?' }, { label: 'Ship' });
  const told = await ctx.signal('deploy');
  const settled = await ctx.parallel.settled([() => ctx.task(ask, { name: 'bad' }, { label: 'bad' }), () => ctx.uuid()]);
  return { begun, built, names, first, gate, told, settled: settled.map(({ status }) => status), drawn: Math.random(), at: Date.now() };
}
