// Ten repositories are looked at, three at a time. One whose mirror is away is tried again; one that
// cannot be looked at is named in the summary, and holds nobody up.

const look = {
  id: 'look',
  build: ({ name }) => ({
    kind: 'node', title: `look at ${name}`,
    node: { entry: './look.mjs', args: [name], timeoutMs: 60_000 },
    sandbox: { memoryMb: 512, pids: 64 },
    idempotent: true,
  }),
};

const summary = {
  id: 'summary',
  build: () => ({ kind: 'node', title: 'summary', node: { entry: './summary.mjs' }, idempotent: true }),
};

export async function process({ repositories, attempts = 3, backoffMs = 200 }, ctx) {
  let done = 0;
  ctx.query('progress', () => ({ done, of: repositories.length }));

  const found = await ctx.parallel.map(repositories, async (name) => {
    try {
      return await ctx.task(look, { name }, { label: name, retry: { attempts, backoffMs } });
    } catch (error) {
      return { name, error: error.message };
    } finally {
      ++done;
    }
  }, { concurrency: 3 });

  const { lines } = await ctx.task(summary, { found });
  return {
    repositories: found.length,
    failed: found.filter((each) => each.error).map((each) => each.name),
    todos: found.reduce((sum, each) => sum + (each.todos ?? 0), 0),
    lines,
  };
}
