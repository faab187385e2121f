// The dashboard in a real Chromium, over the real server.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdir, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';

import { run_all, Skipped, test } from './runner.mjs';
import { launch, reverse_proxy, until, World } from './world.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const me = userInfo().username; // as `drover dashboard` says it
const refused = (status) => `the server responded with a status of ${status}`;
const root_only = () => {
  if (process.getuid() !== 0) throw new Skipped('resident agents need root');
};

test('a link signs in once, and leaves nothing in the address', async (world) => {
  const link = await world.link();
  const page = await world.page();
  await page.goto(link);
  await page.getByRole('heading', { name: 'Agents' }).waitFor();
  assert.equal(new URL(page.url()).hash, '');
  await page.getByText(me, { exact: true }).waitFor();
  await page.goBack().catch(() => {});
  assert.ok(!page.url().includes('code='), page.url());

  const other = await world.page({ expected: [refused(401)] });
  await other.goto(link);
  await other.getByRole('heading', { name: 'Sign in' }).waitFor();
  await other.getByText('this link to sign in was used already').waitFor();
});

test('the token signs in, typed or in the address of drover up, and signing out ends it', async (world) => {
  const page = await world.page({ expected: [refused(401)] });
  await page.goto(world.url);
  await page.getByLabel('Or the server’s token').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('the token is not this server’s'.replace('’', "'")).waitFor();
  await page.getByLabel('Or the server’s token').fill(world.token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('integration:dashboard').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();

  const up = await world.page();
  await up.goto(`${world.url}/#token=${world.token}`);
  await up.getByRole('heading', { name: 'Agents' }).waitFor();
  assert.equal(new URL(up.url()).hash, '');
});

test('a session outlives the server’s restart, and knows its page again', async (world) => {
  const page = await world.signed_in('/fleet', { expected: ['Failed to load resource: net::ERR'] });
  await page.getByRole('heading', { name: 'Fleet' }).waitFor();
  await world.stop_server();
  await page.getByText('the server does not answer').waitFor();
  await world.serve(world.port);
  await page.getByText('the server does not answer').waitFor({ state: 'detached' });
  await page.reload();
  await page.getByRole('heading', { name: 'Fleet' }).waitFor();
});

test('a cookie alone changes nothing: the Origin of our own page does', async (world) => {
  const { body: { code } } = await world.api('POST', '/api/v1/dashboard/codes?actor=user:ann');
  const sign_in = () => world.api('POST', '/api/v1/dashboard/session', { body: { code }, headers: {} });
  const first = await sign_in();
  assert.equal(first.status, 200, first.text);
  assert.equal((await sign_in()).status, 401, 'a code holds once');
  const [set] = first.headers['set-cookie'];
  assert.match(set, /; HttpOnly; SameSite=Strict$/);
  assert.match(set, /; Path=\/; Max-Age=604800;/);
  const cookie = set.split(';')[0];
  const own = { cookie, origin: world.url };
  const agent = { name: 'dev' };
  const put = (headers) => world.api('PUT', '/api/v1/agents/dev', { body: agent, headers });

  assert.equal((await put({ cookie })).status, 403, 'no Origin');
  assert.equal((await put({ cookie, origin: 'http://evil.example' })).status, 403);
  assert.equal((await put({ cookie, origin: 'null' })).status, 403);
  assert.equal((await put({ ...own, host: 'evil.example' })).status, 403, 'a name that was bound anew');
  assert.equal((await put({ ...own, 'content-type': 'text/plain' })).status, 403);
  assert.equal((await put({ ...own, 'sec-fetch-site': 'same-site' })).status, 403);
  assert.equal((await put({ ...own, cookie: cookie.replace(/.$/, (last) => (last === '0' ? '1' : '0')) })).status, 401);
  assert.equal((await world.api('GET', '/api/v1/agents/dev', { headers: { cookie } })).status, 404, 'nothing was stored');
  assert.equal((await world.api('GET', '/api/v1/agents', { headers: { cookie, 'sec-fetch-site': 'cross-site' } })).status, 403);
  assert.equal((await world.api('POST', '/api/v1/dashboard/codes', { headers: own })).status, 403, 'no session makes codes');
  assert.equal((await put(own)).status, 201);
  const { body } = await world.api('GET', '/api/v1/audit?kind=agent&name=dev');
  assert.equal(body.entries[0].actor, 'user:ann');
  // Who says another name in a session does not get it.
  const named = await world.api('PUT', '/api/v1/agents/dev?actor=user:eve', { body: { name: 'dev', model: 'm' }, headers: own });
  assert.equal(named.status, 200, named.text);
  assert.equal((await world.api('GET', '/api/v1/audit?kind=agent&name=dev')).body.entries[0].actor, 'user:ann');
});

test('behind a reverse proxy it is known by the address that it was told', async (world) => {
  const proxy = await reverse_proxy(() => world.port);
  try {
    const address = `http://127.0.0.1:${proxy.address().port}`;
    const through = (method, path, ask) => World.prototype.api.call({ url: address, token: world.token }, method, path, ask);
    assert.equal((await through('GET', '/')).status, 403, 'it was not told yet');
    await world.stop_server();
    world.environment.DROVER_PUBLIC_URL = `${address}/`;
    await world.serve();
    const link = (await world.drover('dashboard')).trim();
    assert.ok(link.startsWith(`${address}/#code=`), link);
    world.url = address;
    const page = await world.page();
    await page.goto(link);
    await page.getByRole('link', { name: 'New agent' }).click();
    await page.getByLabel('Name', { exact: true }).fill('dev');
    await page.getByRole('button', { name: 'Create agent' }).click();
    await page.getByText('dev is created').waitFor();
    // It asks again and again, and would find nobody.
    await page.close();
  } finally {
    proxy.closeAllConnections?.();
    proxy.close();
  }
  await world.stop_server();
  world.environment.DROVER_PUBLIC_URL = 'https://drover.example.org';
  await world.serve();
  const secure = { host: 'drover.example.org', origin: 'https://drover.example.org' };
  const signed = await world.api('POST', '/api/v1/dashboard/session', { body: { token: world.token }, headers: secure });
  assert.equal(signed.status, 200, signed.text);
  assert.match(signed.headers['set-cookie'][0], /; Secure$/);
  const foreign = { host: 'drover.example.org', origin: 'http://drover.example.org.evil.example' };
  assert.equal((await world.api('POST', '/api/v1/dashboard/session', { body: { token: world.token }, headers: foreign })).status, 403);
});

test('its files hold no data and need no session; unknown paths of the API stay JSON', async (world) => {
  const open = (path, headers = {}) => world.api('GET', path, { headers });
  for (const path of ['/', '/agents', '/agents/dev', '/agents/dev/edit', '/new-agent', '/fleet', '/audit']) {
    const page = await open(path);
    assert.equal(page.status, 200, path);
    assert.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    assert.equal(page.headers['referrer-policy'], 'no-referrer');
    assert.equal(page.headers['cache-control'], 'no-cache');
  }
  const { text } = await open('/');
  const script = /src="(\/assets\/main-[0-9a-f]{12}\.js)"/.exec(text)[1];
  const plain = await open(script);
  assert.match(plain.headers['cache-control'], /immutable/);
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal((await open(script, { 'accept-encoding': 'gzip, br' })).headers['content-encoding'], 'gzip');
  assert.equal((await open('/assets/main-000000000000.js')).status, 404);
  assert.equal((await open('/', { host: 'evil.example' })).status, 403);
  const unknown = await world.api('GET', '/api/v1/nope');
  assert.equal(unknown.status, 404);
  assert.equal(unknown.body.error.code, 'not_found');
});

test('an agent is made, listed, and in the audit', async (world) => {
  const page = await world.signed_in('/agents', { expected: [refused(400)] });
  await page.getByRole('link', { name: 'New agent' }).click();
  await page.getByRole('button', { name: 'Create agent' }).click();
  await page.getByText('An agent needs a name').waitFor();
  await until(() => page.evaluate(() => document.activeElement.id === 'field-name'), 'the focus at the name');
  await page.getByLabel('Name', { exact: true }).fill('Not A Name');
  await page.getByLabel('Turns').fill('0');
  await page.getByRole('button', { name: 'Create agent' }).click();
  // The server's own words, at the field that they are about.
  await page.locator('#field-name-problem').waitFor();
  await page.getByLabel('Name', { exact: true }).fill('dev');
  await page.getByRole('button', { name: 'Create agent' }).click();
  await page.locator('#field-limits-max_turns-problem').waitFor();
  assert.equal(await page.getByLabel('Turns').inputValue(), '0', 'what was typed is there');
  await page.getByLabel('Turns').fill('20');
  await page.getByLabel('Model', { exact: true }).fill('anthropic/claude-sonnet-4-5');
  await page.getByLabel('only these', { exact: true }).check();
  await page.getByLabel('Tools, one a line').fill('Read\nGrep\n');
  await page.getByRole('button', { name: 'Add variable' }).click();
  await page.getByLabel('Name of variable 1').fill('TEAM');
  await page.getByLabel('Value of variable 1').fill('blue = 1');
  await page.getByRole('button', { name: 'Add MCP server' }).click();
  await page.getByLabel('Name of MCP server 1').fill('drover');
  await page.getByLabel('Prompt').fill('You write code.\nBe brief.');
  await page.getByRole('button', { name: 'Create agent' }).click();
  await page.getByRole('heading', { name: 'dev', exact: true }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/agents/dev');
  assert.deepEqual((await world.agent('dev')).agent, {
    name: 'dev', model: 'anthropic/claude-sonnet-4-5', prompt: 'You write code.\nBe brief.',
    tools: ['Read', 'Grep'], limits: { max_turns: 20 }, env: { TEAM: 'blue = 1' }, mcp: [{ server: 'drover' }],
  });
  await page.getByText('anthropic/claude-sonnet-4-5').waitFor();
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByText('created', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Audit' }).click();
  const entry = page.getByRole('listitem').first();
  await entry.getByText(me).waitFor();
  await entry.click();
  await entry.getByText('You write code.').waitFor();
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Agents' }).click();
  await page.getByRole('heading', { name: 'Agents' }).waitFor();
  await page.getByRole('searchbox').fill('zebra');
  await page.getByText('No agent fits this search').waitFor();
  assert.equal(new URL(page.url()).search, '?q=zebra');
  await page.goto(`${world.url}/agents?q=claude`);
  await page.getByRole('link', { name: 'dev', exact: true }).waitFor();
  assert.equal(await page.locator('[data-row]').count(), 1);
});

test('a name that there is already is not overwritten', async (world) => {
  await world.put({ name: 'dev', model: 'first' });
  const page = await world.signed_in('/new-agent', { expected: [refused(409)] });
  await page.getByLabel('Name', { exact: true }).fill('dev');
  await page.getByLabel('Model', { exact: true }).fill('second');
  await page.getByRole('button', { name: 'Create agent' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal((await world.agent('dev')).agent.model, 'first');
  assert.equal(await page.getByLabel('Model', { exact: true }).inputValue(), 'second');
});

const whole = {
  name: 'dev', type: 'coder', description: 'Writes code.', enabled: true, runner: 'native', model: 'm',
  fallback_models: ['n', 'o'], prompt: 'One.\nTwo.\nThree.', tools: [], limits: { max_turns: 5, cpu: 0.5 },
  backend: 'process', read_only_paths: ['/srv/docs'], egress: ['*.example.org:443'],
  mcp: [{ server: 'tickets', tools: ['search', 'create'], approve: ['create'] }, { server: 'wiki' }],
  hands_to: ['reviewer'], env: { A: '1', B: '' }, labels: { gpu: 'a100' },
};

test('an edit shows what is different, and changes nothing else', async (world) => {
  const before = (await world.put(whole)).agent;
  const page = await world.signed_in('/agents/dev/edit');
  await page.getByText('Nothing is changed.').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Review changes' }).isDisabled());
  await page.getByLabel('Prompt').fill('One.\nThree.\nFour.');
  await page.getByLabel('Cores').fill('2');
  await page.getByRole('button', { name: 'Review changes' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  assert.deepEqual(await dialog.locator('dt').allTextContents(), ['prompt', 'limits.cpu']);
  assert.deepEqual(await dialog.locator('.removed > span:last-child').allTextContents(), ['Two.']);
  assert.deepEqual(await dialog.locator('.added > span:last-child').allTextContents(), ['Four.']);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText('dev is saved').waitFor();
  assert.deepEqual((await world.agent('dev')).agent,
    { ...before, prompt: 'One.\nThree.\nFour.', limits: { ...before.limits, cpu: 2 } });
  await page.goto(`${world.url}/agents/dev/history`);
  await page.getByText('prompt, limits.cpu').or(page.getByText('limits.cpu, prompt')).waitFor();
});

test('a draft outlives a reload and a change of mind', async (world) => {
  await world.put({ name: 'dev', model: 'm' });
  const page = await world.signed_in('/agents/dev/edit');
  page.on('dialog', (dialog) => dialog.accept());
  await page.getByLabel('Description').fill('Half a sen');
  await page.getByText('Not saved.').waitFor();
  await page.reload();
  await page.getByText('Not saved.').waitFor();
  assert.equal(await page.getByLabel('Description').inputValue(), 'Half a sen');
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  assert.equal(await page.getByLabel('Description').inputValue(), 'Half a sen');
  await page.getByRole('button', { name: 'Discard' }).click();
  await page.getByText('Nothing is changed.').waitFor();
  assert.equal(await page.getByLabel('Description').inputValue(), '');
});

// Two people at one agent. `mine` is what this one types; the other has stored theirs meanwhile.
async function conflict(world, mine, theirs) {
  await world.put({ name: 'dev', model: 'm', prompt: 'Old.' });
  const page = await world.signed_in('/agents/dev/edit', { expected: [refused(409)] });
  for (const [label, text] of Object.entries(mine)) await page.getByLabel(label, { exact: true }).fill(text);
  await world.put({ name: 'dev', model: 'm', prompt: 'Old.', ...theirs });
  await page.getByRole('button', { name: 'Review changes' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'bob changed this agent meanwhile' }).waitFor();
  for (const [label, text] of Object.entries(mine))
    assert.equal(await page.getByLabel(label, { exact: true }).inputValue(), text, 'nothing typed is lost');
  return page;
}
const model_and_prompt = async (world) => {
  const { agent } = await world.agent('dev');
  return [agent.model, agent.prompt];
};
async function save(page) {
  await page.getByRole('button', { name: 'Review changes' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('dev is saved').waitFor();
}

test('where two changed different members, both changes are combined', async (world) => {
  const page = await conflict(world, { Model: 'mine' }, { prompt: 'Theirs.' });
  const rows = page.getByRole('table').getByRole('row');
  await rows.filter({ hasText: 'prompt' }).getByText('Theirs.').waitFor();
  await rows.filter({ hasText: 'model' }).getByText('mine').waitFor();
  await page.getByRole('button', { name: 'Combine both' }).click();
  assert.deepEqual(await model_and_prompt(world), ['m', 'Theirs.'], 'nothing is saved yet');
  await save(page);
  assert.deepEqual(await model_and_prompt(world), ['mine', 'Theirs.']);
});

test('who takes theirs in a conflict loses only what was typed', async (world) => {
  const page = await conflict(world, { Model: 'mine' }, { model: 'theirs' });
  await page.getByText('You both changed model.').waitFor();
  await page.getByRole('button', { name: 'Take theirs' }).click();
  await page.getByText('Nothing is changed.').waitFor();
  assert.equal(await page.getByLabel('Model', { exact: true }).inputValue(), 'theirs');
  assert.deepEqual(await model_and_prompt(world), ['theirs', 'Old.']);
});

test('who saves over theirs knows it, and is fenced by the revision that was shown', async (world) => {
  const page = await conflict(world, { Model: 'mine' }, { model: 'theirs' });
  // A third change, behind the conflict that is shown.
  await world.put({ name: 'dev', model: 'third' });
  await page.getByRole('button', { name: 'Save yours over theirs' }).click();
  await page.getByRole('table').getByText('third').waitFor();
  assert.equal((await world.agent('dev')).agent.model, 'third');
  await page.getByRole('button', { name: 'Save yours over theirs' }).click();
  await page.getByText('dev is saved').waitFor();
  assert.deepEqual(await model_and_prompt(world), ['mine', 'Old.']);
  const { body } = await world.api('GET', '/api/v1/audit?kind=agent&name=dev');
  assert.deepEqual(body.entries.map((one) => one.actor), [`user:${me}`, 'user:bob', 'user:bob', 'user:bob']);
});

test('a change of somebody else is told while one types, and fills a form that nobody touched', async (world) => {
  await world.put({ name: 'dev', model: 'm', prompt: 'Old.' });
  const page = await world.signed_in('/agents/dev/edit');
  await page.getByText('Nothing is changed.').waitFor();
  await world.put({ name: 'dev', model: 'n', prompt: 'Old.' });
  await page.waitForFunction(() => document.querySelector('#field-model').value === 'n');
  await page.getByLabel('Prompt').fill('Mine.');
  await world.put({ name: 'dev', model: 'o', prompt: 'Old.' });
  await page.getByRole('button', { name: 'Compare' }).click();
  await page.getByRole('button', { name: 'Combine both' }).click();
  await save(page);
  assert.deepEqual(await model_and_prompt(world), ['o', 'Mine.']);
});

test('a session that ends while one types loses nothing', async (world) => {
  await world.put({ name: 'dev' });
  const page = await world.signed_in('/agents/dev/edit', { expected: [refused(401)] });
  await page.getByLabel('Description').fill('Half a sen');
  await page.context().clearCookies();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel('Or the server’s token').fill(world.token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Not saved.').waitFor();
  assert.equal(await page.getByLabel('Description').inputValue(), 'Half a sen');
});

test('what was deleted meanwhile can be stored again', async (world) => {
  await world.put({ name: 'dev', model: 'm' });
  const page = await world.signed_in('/agents/dev/edit', { expected: [refused(409), refused(404)] });
  await page.getByLabel('Model', { exact: true }).fill('mine');
  await page.getByRole('button', { name: 'Review changes' }).click();
  assert.equal((await world.api('DELETE', '/api/v1/agents/dev?actor=user:bob')).status, 204);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Store yours again' }).click();
  await page.getByText('dev is saved').waitFor();
  assert.equal((await world.agent('dev')).agent.model, 'mine');
});

test('an agent is made like another, under a name of its own', async (world) => {
  const { agent } = await world.put(whole);
  const page = await world.signed_in('/agents/dev');
  await page.getByRole('link', { name: 'Duplicate' }).click();
  await page.getByLabel('Name', { exact: true }).fill('dev-two');
  await page.getByRole('button', { name: 'Create agent' }).click();
  await page.getByRole('heading', { name: 'dev-two', exact: true }).waitFor();
  assert.deepEqual((await world.agent('dev-two')).agent, { ...agent, name: 'dev-two' });
});

test('agents are enabled, disabled and deleted', async (world) => {
  await world.put({ name: 'dev' });
  const page = await world.signed_in('/agents', { expected: [refused(404)] });
  const takes_work = page.getByRole('switch', { name: 'dev takes new work' });
  await takes_work.click();
  await page.getByText('dev is disabled').waitFor();
  assert.equal((await world.agent('dev')).agent.enabled, false);
  await page.locator('[role=switch][aria-label="dev takes new work"][aria-checked=false]').waitFor();
  // What somebody else does is seen without a reload.
  await world.put({ name: 'dev' });
  await page.locator('[role=switch][aria-label="dev takes new work"][aria-checked=true]').waitFor();
  await page.getByRole('link', { name: 'dev', exact: true }).click();
  await page.getByRole('button', { name: 'Disable' }).click();
  await page.getByRole('button', { name: 'Enable' }).waitFor();
  await page.getByRole('button', { name: 'Delete…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
  await page.getByRole('button', { name: 'Delete…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('dev is deleted').waitFor();
  assert.equal((await world.api('GET', '/api/v1/agents/dev')).status, 404);
  await page.goto(`${world.url}/agents/dev/history`);
  await page.getByText('deleted').first().waitFor();
  await page.goto(`${world.url}/agents/dev`);
  await page.getByRole('heading', { name: 'There is no agent dev' }).waitFor();
});

test('the fleet: state, logs, sync and wipe of a resident agent', async (world) => {
  root_only();
  const page = await world.signed_in('/fleet', { expected: [refused(409), refused(404)] });
  await page.getByText('No agent keeps a container').waitFor();
  await world.put({ name: 'keeper', resident: true, replicas: 2 });
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'keeper', exact: true }) });
  await row.getByText('running').waitFor();
  await page.getByRole('row').filter({ hasText: 'keeper-2' }).getByText('running').waitFor();
  await page.getByRole('button', { name: 'Sync now' }).click();
  const synced = page.getByRole('dialog', { name: 'Synced' });
  await synced.waitFor();
  assert.deepEqual(await synced.locator('dt').allTextContents(), ['created', 'removed', 'unchanged', 'updated', 'failed']);
  assert.deepEqual(await synced.locator('dd').allTextContents(), ['0', '0', '2', '0', '0']);
  await synced.getByRole('button', { name: 'Done' }).click();
  await row.getByText(/\d (kB|MB)/).waitFor();

  await page.getByRole('link', { name: 'keeper', exact: true }).click();
  const one = page.getByRole('region', { name: 'Container keeper', exact: true });
  await one.getByText('Heartbeat').waitFor();
  await one.getByText(/\d (kB|MB)$/).waitFor();
  await page.getByText('Tokens in').waitFor();
  await page.getByText('$0.00').waitFor();
  await one.getByRole('button', { name: 'Logs' }).click();
  await one.getByText('It has written nothing yet.').waitFor();
  await one.getByRole('button', { name: 'Hide logs' }).click();
  // What a program wrote is text, and nothing but text.
  const hostile = { instance: 'keeper', at: null, text: '\x1b[31m<img src=x onerror=alert(1)>\x1b[0m done' };
  const frame = (kind, id, data) => `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
  const asked = [];
  await page.route('**/api/v1/agents/keeper/logs?**', (route) => {
    asked.push(new URL(route.request().url()).searchParams);
    return route.fulfill({
      contentType: 'text/event-stream',
      body: frame('line', 'a1', hostile) + frame('gap', 'a2', { instance: 'keeper' }) + frame('end', 'a3', {}),
    });
  });
  await one.getByRole('button', { name: 'Logs' }).click();
  await one.getByText('<img src=x onerror=alert(1)> done').waitFor();
  await one.getByText('lines are missing here').waitFor();
  await one.getByText('it is gone').waitFor();
  assert.equal(asked[0].get('follow'), 'true');
  assert.equal(asked[0].get('instance'), 'keeper');
  await page.unroute('**/api/v1/agents/keeper/logs?**');

  await page.getByRole('button', { name: 'Wipe all state…' }).click();
  const wipe = page.getByRole('dialog', { name: 'Wipe the state of keeper?' });
  assert.ok(await wipe.getByRole('button', { name: 'Wipe' }).isDisabled());
  await wipe.getByLabel(/^Type/).fill('keeper');
  await wipe.getByRole('button', { name: 'Wipe' }).click();
  await wipe.getByRole('alert').waitFor();
  await wipe.getByRole('button', { name: 'Keep it' }).click();
  await page.getByRole('button', { name: 'Disable' }).click();
  await one.getByText('stopped').waitFor();
  await page.getByRole('button', { name: 'Wipe all state…' }).click();
  await wipe.getByLabel(/^Type/).fill('keeper');
  await wipe.getByRole('button', { name: 'Wipe' }).click();
  await page.getByText('The state of keeper is gone').waitFor();
  await page.getByText('keeper has no container and no state').waitFor();
  assert.equal((await world.api('GET', '/api/v1/fleet/keeper')).status, 404);
});

test('logs are followed while a run works, until the agent is disabled', async (world) => {
  root_only();
  const agent = { name: 'keeper', resident: true, model: await world.model([{ text: 'done' }]) };
  await world.put(agent);
  const page = await world.signed_in('/agents/keeper/containers', { expected: [refused(404)] });
  const one = page.getByRole('region', { name: 'Container keeper', exact: true });
  await one.getByText('running').waitFor();
  await one.getByRole('button', { name: 'Logs' }).click();
  await one.getByText('It has written nothing yet.').waitFor();
  await world.drover('run', '-w', await world.repository(), '--agent', 'keeper', 'Do it.');
  await one.getByText('unit-started').waitFor();
  await page.locator('.figures').getByText('1', { exact: true }).first().waitFor();
  await world.put({ ...agent, enabled: false });
  await one.getByText('it is gone').waitFor();
  await one.getByText('unit-started').waitFor();
});

test('everything can be done from the keyboard', async (world) => {
  for (const name of ['anna', 'berta', 'carla']) await world.put({ name });
  const page = await world.signed_in();
  await page.getByRole('link', { name: 'berta' }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const heading = (name) => page.getByRole('heading', { name, exact: true, level: 1 }).waitFor();
  await page.keyboard.press('j');
  assert.equal(await focused(), 'anna');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  assert.equal(await focused(), 'berta');
  await page.keyboard.press('Enter');
  await heading('berta');
  assert.equal(await focused(), 'berta', 'who goes to a page begins at its heading');
  assert.equal(await page.title(), 'berta · drover');
  await page.keyboard.press('e');
  await page.getByText('Nothing is changed.').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await heading('Fleet');
  await page.keyboard.press('g');
  await page.keyboard.press('u');
  await heading('Audit');
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await heading('Agents');
  await page.keyboard.press('/');
  await page.keyboard.type('jcarla');
  assert.equal(await page.getByRole('searchbox').inputValue(), 'jcarla', 'a key in a text is a letter');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('n');
  await heading('New agent');
  await page.goBack();
  await heading('Agents');
});

test('a page that nobody looks at asks nothing', async (world) => {
  await world.put({ name: 'dev' });
  const page = await world.page();
  await page.clock.install();
  await page.addInitScript(() => {
    Object.defineProperty(document, 'visibilityState', { get: () => window.seen ?? 'visible' });
  });
  await page.goto(await world.link());
  await page.getByRole('link', { name: 'dev', exact: true }).waitFor();
  let asked = 0;
  page.on('request', () => ++asked);
  const look = (seen) => page.evaluate((state) => {
    window.seen = state;
    document.dispatchEvent(new Event('visibilitychange'));
  }, seen);
  const answered = () => page.waitForResponse((reply) => reply.url().endsWith('/api/v1/fleet'));
  let next = answered();
  await page.clock.fastForward(5000);
  await next;
  await look('hidden');
  // An answer that was under way makes no further request.
  await page.clock.fastForward(5000);
  await page.evaluate(() => fetch('/healthz'));
  asked = 0;
  for (let i = 0; i < 12; ++i) await page.clock.fastForward(10_000);
  await page.evaluate(() => fetch('/healthz'));
  assert.equal(asked, 1, 'only the one of this test');
  next = answered();
  await look('visible');
  await next;
});

const pages = ['/agents', '/new-agent', '/agents/dev', '/agents/dev/edit', '/agents/dev/history', '/agents/keeper/containers', '/fleet', '/audit', '/agents/dev/nonsense'];
const has_come = (page) => page.waitForFunction(() => document.querySelector('main h1') && !document.querySelector('.loading'));

async function furnish(world) {
  await world.put({ ...whole, model: 'anthropic/claude-sonnet-4-5-of-a-very-long-name-that-does-not-end' });
  await world.put({ ...whole, prompt: 'Other words.' });
  await world.put({ name: 'triage', enabled: false, description: 'Sorts what comes in, by how much it matters and to whom.' });
  if (process.getuid() === 0) await world.put({ name: 'keeper', resident: true });
}

test('nothing scrolls sideways at 360 pixels', async (world) => {
  await furnish(world);
  const page = await world.signed_in('/agents', { width: 360, height: 740, expected: [refused(404)] });
  for (const path of pages) {
    await page.goto(world.url + path);
    await has_come(page);
    const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= seen, `${path} is ${wide} wide`);
    await page.screenshot({ path: picture(`360${path}`), fullPage: true });
  }
});

async function violations(page) {
  // axe is the test's, and the policy is the page's: it comes by the debugger, not as a script.
  await page.evaluate(await readFile(axe, 'utf8'));
  const found = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
}

for (const scheme of ['light', 'dark'])
  test(`axe finds nothing, ${scheme}`, async (world) => {
    await furnish(world);
    const page = await world.page({ scheme, expected: [refused(404), refused(409)] });
    await page.goto(world.url);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const found = { signin: await violations(page) };
    await page.screenshot({ path: picture(`${scheme}/sign-in`) });
    await page.goto(await world.link());
    await page.getByRole('heading', { name: 'Agents' }).waitFor();
    for (const path of pages) {
      await page.goto(world.url + path);
      await has_come(page);
      found[path] = await violations(page);
      await page.screenshot({ path: picture(`${scheme}${path}`), fullPage: true });
    }
    await page.goto(`${world.url}/agents/dev/edit`);
    await page.getByLabel('Prompt').fill('One.\nTwo.\nFour.');
    await page.getByLabel('Cores').fill('many');
    await page.getByRole('button', { name: 'Review changes' }).click();
    await page.getByText('is no number').waitFor();
    found.problem = await violations(page);
    await page.getByLabel('Cores').fill('2');
    await page.getByRole('button', { name: 'Review changes' }).click();
    await page.getByRole('dialog').waitFor();
    found.review = await violations(page);
    await page.screenshot({ path: picture(`${scheme}/review`) });
    await world.put({ ...whole, prompt: 'Theirs.', description: 'Theirs.' });
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('heading', { name: 'bob changed' }).waitFor();
    found.conflict = await violations(page);
    await page.screenshot({ path: picture(`${scheme}/conflict`) });
    page.on('dialog', (dialog) => dialog.accept());
    await page.goto(`${world.url}/audit`);
    await page.getByRole('listitem').first().click();
    found.entry = await violations(page);
    await page.screenshot({ path: picture(`${scheme}/audit-entry`) });
    assert.deepEqual(Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0)), {});
  });

// Pictures to look at: DROVER_PICTURES=/tmp/pictures.
const pictures = process.env.DROVER_PICTURES;
const picture = (name) => pictures && `${pictures}/${name.replaceAll('/', '-')}.png`;
if (pictures) await mkdir(pictures, { recursive: true });

const browser = await launch();
try {
  await run_all(async (name, run) => {
    const world = await World.begin(browser);
    try {
      await run(world);
      world.check();
    } catch (error) {
      const seen = await world.contexts.at(-1)?.pages()[0]?.locator('body').innerText().catch(() => '');
      if (!(error instanceof Skipped)) error.stack += `\nthe page: ${seen}\nthe consoles: ${world.errors.join('\n')}\nthe server: ${world.log.slice(-2000)}`;
      throw error;
    } finally {
      await world.end();
    }
  });
} finally {
  await browser.close();
}
