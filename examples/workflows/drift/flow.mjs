// Every night: what is there is compared with what is wanted, an agent judges each difference, and what
// has to be mended is mended in a maintenance window, which somebody opens with a signal. Another agent
// writes down what came of it.

const compare = {
  id: 'compare',
  build: () => ({
    kind: 'node', title: 'compare',
    node: { entry: './compare.mjs' },
    sandbox: { folder: 'ro' },
    idempotent: true,
  }),
};

const judge = {
  id: 'judge',
  build: ({ drifts, agent }) => ({
    kind: 'agent', title: 'judge',
    agent: {
      ...agent,
      prompt: { task: 'Say which of these differences have to be mended, and why.', context: drifts },
      outputSchema: {
        type: 'array',
        items: {
          type: 'object', required: ['key', 'mend', 'why'],
          properties: { key: { type: 'string' }, mend: { type: 'boolean' }, why: { type: 'string' } },
        },
      },
    },
  }),
};

// Setting a value to what it has already changes nothing, so it may be begun again.
const mend = {
  id: 'mend',
  build: ({ key }) => ({
    kind: 'node', title: `mend ${key}`,
    node: { entry: './mend.mjs', args: [key] },
    idempotent: true,
  }),
};

const report = {
  id: 'report',
  build: ({ agent, ...about }) => ({
    kind: 'agent', title: 'report',
    agent: { ...agent, prompt: { task: 'Add an entry to REPORT.md.', context: about } },
  }),
};

export async function process({ agents, windowMs = 8 * 3_600_000 }, ctx) {
  const drifts = await ctx.task(compare, {});
  if (drifts.length === 0) return { drifts: 0, mended: [] };

  const verdicts = await ctx.task(judge, { drifts, agent: agents.judge });
  const due = verdicts.filter((verdict) => verdict.mend).map((verdict) => verdict.key);

  // A person or a program: drover workflow signal RUN window --value '{"by": "…"}'
  const opened = due.length === 0 ? null : await ctx.parallel.race([
    () => ctx.signal('window'),
    () => ctx.sleep(windowMs).then(() => null),
  ]);

  const mended = [];
  for (const key of opened ? due : []) {
    await ctx.task(mend, { key }, { label: `mend ${key}`, retry: { attempts: 3, backoffMs: 1000 } });
    mended.push(key);
  }
  const written = await ctx.task(report, { agent: agents.report, verdicts, mended, by: opened?.by });
  return { drifts: drifts.length, due, mended, by: opened?.by ?? null, commits: written.commits.length };
}
