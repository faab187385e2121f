// scan → triage → fix → test → approve → commit: a program finds, one agent judges, another mends, a
// program proves it, a person decides.

const scan = {
  id: 'scan',
  build: () => ({
    kind: 'node', title: 'scan',
    node: { entry: './scan.mjs' },
    sandbox: { folder: 'ro' },
    idempotent: true,
  }),
};

const triage = {
  id: 'triage',
  build: ({ finding, agent }) => ({
    kind: 'agent', title: `triage ${finding.rule}`,
    agent: {
      ...agent,
      prompt: {
        role: 'the engineer who knows this project',
        task: 'Judge this finding. Look at the code, change nothing.',
        context: finding,
      },
      outputSchema: {
        type: 'object', required: ['severity', 'why'], additionalProperties: false,
        properties: { severity: { enum: ['none', 'low', 'high'] }, why: { type: 'string' } },
      },
    },
  }),
};

const fix = {
  id: 'fix',
  build: ({ finding, verdict, attempt, output, agent }) => ({
    kind: 'agent', title: `fix ${finding.rule}`,
    agent: {
      ...agent,
      prompt: {
        task: 'Mend this finding, and nothing else. ./test.sh has to pass.',
        context: { finding, verdict, attempt, output },
      },
    },
  }),
};

const test = {
  id: 'test',
  build: () => ({
    kind: 'shell', title: 'test',
    shell: { command: './test.sh', timeoutMs: 60_000 },
    sandbox: { folder: 'ro' },
    idempotent: true,
  }),
};

// What it does is done once, and doing it again changes nothing.
const release = {
  id: 'release',
  build: ({ sha }) => ({
    kind: 'shell', title: 'release',
    shell: { command: 'git branch --force release "$1"', args: [sha] },
    sandbox: { git: 'rw' },
    idempotent: true,
  }),
};

export async function process({ agents, attempts = 3 }, ctx) {
  let doing = 'scan';
  ctx.query('doing', () => doing);
  const findings = await ctx.task(scan, {});
  const done = [];
  for (const finding of findings) {
    doing = `triage ${finding.rule}`;
    const verdict = await ctx.task(triage, { finding, agent: agents.triage });
    if (verdict.severity === 'none') continue;

    let tested;
    let fixed;
    for (let attempt = 1; attempt <= attempts && !tested?.success; ++attempt) {
      doing = `fix ${finding.rule}, attempt ${attempt}`;
      fixed = await ctx.task(fix, { finding, verdict, attempt, output: tested?.stdout, agent: agents.fix });
      tested = await ctx.task(test, { attempt }, { label: `test ${attempt}` });
    }
    if (!tested.success) ctx.halt('the tests do not pass', { finding, stdout: tested.stdout });

    doing = 'approve';
    const gate = await ctx.breakpoint(
      { question: `release the fix of ${finding.rule}?`, finding, verdict, commits: fixed.commits },
      { label: 'Release', expert: 'owner', tags: ['release'] },
    );
    if (!gate.approved) return { released: false, why: gate.response, done };
    const { sha } = fixed.commits.at(-1);
    const released = await ctx.task(release, { sha });
    if (!released.success) throw new Error(released.stderr);
    done.push({ rule: finding.rule, severity: verdict.severity, sha });
  }
  return { released: true, done };
}
