import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { fits as agent_fits, kind_of } from '../src/agents/agent_list';
import { address } from '../src/api/client';
import { credential_of } from '../src/app/session';
import { no_keys, pause_ms, press, shortcuts } from '../src/app/shortcuts';
import { bytes_words, count_words, seconds_words, usd_words } from '../src/fleet/amounts';
import { counts_of } from '../src/fleet/fleet_list';
import { line_of, no_lines, with_lines } from '../src/fleet/log_lines';
import { plain_text } from '../src/fleet/log_text';
import { since } from '../src/parts/time';
import { agent_views, path_of, route_of } from '../src/routes';
import type { FleetInstance } from '../generated/api';

declare const WEB_FOLDER: string;

test('a path is its page, and a page its path', () => {
  const paths = ['/agents', '/new-agent', '/fleet', '/audit', '/agents/dev', '/agents/new-agent', '/agents/a%20b',
    ...agent_views.slice(1).map((view) => `/agents/dev/${view}`)];
  for (const path of paths) assert.equal(path_of(route_of(path)), path);
  assert.deepEqual(route_of('/'), { page: 'agents' });
  for (const path of ['/nope', '/agents/dev/nope', '/agents/dev/edit/more', '/fleet/dev', '/agents/%'])
    assert.equal(path_of(route_of(path)), path === '/agents/%' ? '/agents/%25' : path);
  assert.equal(route_of('/agents/dev/nope').page, 'nowhere');
});

test('the server gives the page for each of its paths', () => {
  const served = readFileSync(`${WEB_FOLDER}/../src/api/dashboard_routes.cc`, 'utf8');
  for (const pattern of ['/', '/agents', '/agents/{agent}', '/agents/{agent}/{view}', '/new-agent', '/fleet', '/audit'])
    assert.ok(served.includes(`{"GET", "${pattern}", ""}`), pattern);
});

test('addresses of the API have their parts encoded', () => {
  assert.equal(address('/a/{x}/b', { x: 'ü/..' }, { q: 'a b', none: undefined, empty: '', n: 0 }), '/a/%C3%BC%2F../b?q=a+b&n=0');
});

test('a link signs in with what is behind its #', () => {
  assert.deepEqual(credential_of('#code=abc'), { code: 'abc' });
  assert.deepEqual(credential_of('#token=abc'), { token: 'abc' });
  for (const hash of ['', '#', '#main', '#code=', '#other=1']) assert.equal(credential_of(hash), undefined);
});

test('keys, one or two in a row', () => {
  const [waiting, nothing] = press(no_keys, 'g', 0);
  assert.equal(nothing, undefined);
  assert.equal(press(waiting, 'f', 100)[1], 'fleet');
  assert.equal(press(waiting, 'f', pause_ms + 1)[1], undefined);
  assert.equal(press(waiting, 'j', 100)[1], 'next', 'a second key of nothing is a first one');
  assert.equal(press(no_keys, 'x', 0)[1], undefined);
  assert.equal(new Set(shortcuts.map((one) => one.keys)).size, shortcuts.length);
});

test('what a program wrote commands no terminal, and is not lost', () => {
  assert.equal(plain_text('\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07'), 'red link');
  assert.equal(plain_text('a\x1b]52;c;aGk=\x1b\\b\x1bPq\x1b\\c\x9bd'), 'abcd');
  assert.equal(plain_text('10%\r50%\r100%\ndone\r\n'), '100%\ndone\n');
  assert.equal(plain_text('user\u202egpj.exe \u2066x'), 'usergpj.exe x');
  assert.equal(plain_text('<b>ü</b>\t1\n'), '<b>ü</b>\t1\n');
});

test('of what is written the newest lines are kept, and it is told that older ones are not', () => {
  const line = (text: string) => line_of('line', JSON.stringify({ instance: 'a', at: null, text }))!;
  let log = no_lines;
  for (const text of ['1', '2', '3']) log = with_lines(log, [line(text)], 2);
  assert.deepEqual(log.lines.map((one) => one.text), ['2', '3']);
  assert.ok(log.shortened && !log.ended);
  assert.ok(!with_lines(no_lines, [line('1'), line('2')], 2).shortened);
  log = with_lines(log, [line_of('gap', '{"instance":"a"}')!, line_of('end', '{}')!], 9);
  assert.deepEqual(log.lines.map((one) => one.is), ['line', 'line', 'gap', 'end']);
  assert.ok(log.ended);
  assert.equal(line_of('trouble', '{"reason":"no engine"}')?.text, 'no engine');
  assert.equal(line('\x1b[31mred').text, 'red');
  assert.equal(line_of('line', 'no JSON'), undefined);
});

test('a search takes words in any order, and its kind', () => {
  const one = { name: 'dev', origin: 'api' as const, file: null, revision: 1,
    agent: { name: 'dev', description: 'Writes code', model: 'm/large', enabled: false } };
  assert.ok(agent_fits(one, 'all', 'code DEV'));
  assert.ok(agent_fits(one, 'disabled', ''));
  assert.ok(!agent_fits(one, 'enabled', ''));
  assert.ok(!agent_fits(one, 'resident', ''));
  assert.ok(!agent_fits(one, 'all', 'code nobody'));
  assert.equal(kind_of('nonsense'), 'all');
});

test('the fleet is counted with the worst first', () => {
  const of = (state: FleetInstance['state']) => ({ state }) as FleetInstance;
  assert.deepEqual(counts_of([of('running'), of('failed'), of('running')]), [['failed', 1], ['running', 2]]);
});

test('amounts as they are read', () => {
  assert.deepEqual([0, 999, 1536, 52_428_800, 3e12].map(bytes_words), ['0 B', '999 B', '1.5 kB', '52 MB', '3.0 TB']);
  assert.deepEqual([0.25, 59, 61, 7260].map(seconds_words), ['0.3 s', '59 s', '1 min 1 s', '2 h 1 min']);
  assert.deepEqual([0, 9999, 123_456].map(count_words), ['0', '9,999', '123K']);
  assert.deepEqual([0, 0.0012, 3.5].map(usd_words), ['$0.00', '$0.0012', '$3.50']);
  assert.equal(since(0, 2000), 'just now');
  assert.match(since(0, 3 * 60_000), /3 min/);
  assert.match(since(0, 50 * 3600_000), /2 days ago/);
});
