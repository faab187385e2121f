// One case's world: a state folder of its own, the real `drover serve` over it, and pages of a real
// Chromium. Every error of a page's console fails the case, but for those that it says it expects.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';

const drover_program = process.env.DROVER_PROGRAM ?? '../../build/dev/bin/drover';
const chromium_program = process.env.DROVER_CHROMIUM ?? '/usr/bin/chromium';
const patience_ms = 30_000;

export const launch = () =>
  chromium.launch({
    executablePath: chromium_program,
    // Chromium's own sandbox refuses root.
    args: [...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage'],
  });

export class World {
  pages = [];
  errors = [];
  contexts = [];

  static async begin(browser) {
    const world = new World();
    world.browser = browser;
    world.root = await mkdtemp(join(tmpdir(), 'drover-browser-'));
    world.environment = {
      PATH: process.env.PATH, HOME: world.root, USER: 'ann', LOGNAME: 'ann',
      DROVER_STATE_DIR: join(world.root, 'state'),
    };
    await world.serve();
    return world;
  }

  // On a port of its own: the usual one is taken by whatever other server starts meanwhile.
  async serve(port) {
    port ??= await free_port();
    this.server = spawn(drover_program, ['serve', '--port', String(port)], {
      env: this.environment, stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.log = '';
    await new Promise((done, fail) => {
      this.server.stderr.on('data', (bytes) => {
        this.log += bytes;
        if (/\bserving\b/.test(this.log)) done();
      });
      this.server.once('exit', () => fail(new Error(`the server ended: ${this.log}`)));
    });
    const { url, token } = JSON.parse(await readFile(join(this.environment.DROVER_STATE_DIR, 'server.json'), 'utf8'));
    Object.assign(this, { url, token, port: Number(new URL(url).port) });
  }

  async stop_server() {
    if (this.server.exitCode !== null || this.server.signalCode !== null) return;
    const ended = once(this.server, 'exit');
    this.server.kill('SIGTERM');
    await ended;
  }

  async end() {
    for (const context of this.contexts) await context.close();
    await this.stop_server();
    await rm(this.root, { recursive: true, force: true });
  }

  async drover(...words) {
    const { stdout } = await promisify(execFile)(drover_program, words, { env: this.environment });
    return stdout;
  }
  // What an agent takes as its model: the scripted one says these turns.
  async model(turns) {
    const path = join(this.root, 'model.json');
    await writeFile(path, JSON.stringify({ turns }));
    return `scripted:${path}`;
  }
  // A folder under git, with one commit.
  async repository() {
    const path = join(this.root, 'work');
    await mkdir(path);
    await writeFile(join(path, 'README.md'), 'work\n');
    const git = (...words) => promisify(execFile)('git',
      ['-C', path, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...words], { env: this.environment });
    await git('init', '-q', '-b', 'main');
    await git('add', '.');
    await git('commit', '-q', '-m', 'begin');
    return path;
  }
  async link() {
    return JSON.parse(await this.drover('dashboard', '--json')).url;
  }

  // With the token, as a script; `headers` in place of that are sent as they are.
  api(method, path, { body, headers = { authorization: `Bearer ${this.token}` } } = {}) {
    return new Promise((done, fail) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(this.url + path, {
        method,
        headers: { ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }), ...headers },
      }, async (reply) => {
        let got = '';
        for await (const bytes of reply) got += bytes;
        const json = reply.headers['content-type']?.startsWith('application/json');
        done({ status: reply.statusCode, headers: reply.headers, text: got, body: json && got ? JSON.parse(got) : undefined });
      });
      sent.once('error', fail);
      sent.end(text);
    });
  }
  async put(agent) {
    const reply = await this.api('PUT', `/api/v1/agents/${agent.name}?actor=user:bob`, { body: agent });
    assert.ok(reply.status < 300, reply.text);
    return reply.body;
  }
  async agent(name) {
    return (await this.api('GET', `/api/v1/agents/${name}`)).body;
  }

  // A page of a browser of its own. `expected`: what its console may say.
  async page({ width = 1280, height = 800, scheme = 'light', expected = [] } = {}) {
    const context = await this.browser.newContext({
      viewport: { width, height }, colorScheme: scheme, reducedMotion: 'reduce', bypassCSP: false,
    });
    context.setDefaultTimeout(patience_ms);
    this.contexts.push(context);
    const page = await context.newPage();
    page.expected = [...expected];
    const note = (text) => {
      if (!page.expected.some((known) => text.includes(known))) this.errors.push(text);
    };
    page.on('console', (message) => message.type() === 'error' && note(`console: ${message.text()}`));
    page.on('pageerror', (error) => note(`page: ${error.stack}`));
    page.on('request', (sent) => {
      if (!sent.url().startsWith(this.url) && !sent.url().startsWith('data:')) note(`asked elsewhere: ${sent.url()}`);
    });
    return page;
  }
  async signed_in(path = '/agents', options = {}) {
    const page = await this.page(options);
    await page.goto(await this.link());
    await page.getByRole('heading', { name: 'Agents' }).waitFor();
    if (path !== '/agents') await page.goto(this.url + path);
    return page;
  }

  check() {
    assert.deepEqual(this.errors, [], 'what the consoles said');
  }
}

async function free_port() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// What ends TLS and passes on, as nginx does: the Host as it came, and nothing else changed.
export async function reverse_proxy(port_behind) {
  const server = createServer((asked, answer) => {
    const sent = request({ host: '127.0.0.1', port: port_behind(), method: asked.method, path: asked.url, headers: asked.headers },
      (reply) => {
        answer.writeHead(reply.statusCode, reply.headers);
        reply.pipe(answer);
      });
    sent.once('error', () => answer.destroy());
    asked.pipe(sent);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

// Until `ask` gives something that holds; each look waits for an answer, none for a time alone.
export async function until(ask, what) {
  const end = Date.now() + patience_ms;
  for (;;) {
    const found = await ask();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
