// Histories that a seed repeats.
import type { Definition, Json } from '../src/agents/changes';

export type Random = (below: number) => number;

// mulberry32
export function random_of(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const some = (random: Random, make: () => string): string[] => Array.from({ length: random(3) }, make);
const word = (random: Random): string => ['alpha', 'beta', 'x y', '*', '3', 'true', ''][random(7)] ?? '';
const solid = (random: Random): string => ['alpha', 'beta', 'gamma', '4'][random(4)] ?? '';

const members: Record<string, (random: Random) => Json> = {
  name: () => 'dev',
  description: word,
  enabled: (random) => random(2) === 0,
  resident: (random) => random(2) === 0,
  runner: solid,
  model: solid,
  fallback_models: (random) => some(random, () => solid(random)),
  prompt: (random) => `${word(random)}\n  ${word(random)}\n`,
  tools: (random) => some(random, () => solid(random)),
  limits: (random) => ({
    ...(random(2) ? { max_turns: random(9) } : {}),
    ...(random(2) ? { cpu: 0.5 } : {}),
    ...(random(4) ? {} : { of_tomorrow: 7 }),
  }),
  env: (random) => ({ ...(random(2) ? { A: word(random) } : {}), ...(random(2) ? { problem: 'b=c' } : {}) }),
  labels: (random) => (random(2) ? { gpu: 'a100' } : {}),
  egress: (random) => some(random, () => solid(random)),
  mcp: (random) =>
    some(random, () => '').map(() => ({
      server: solid(random),
      ...(random(2) ? { tools: some(random, () => solid(random)) } : {}),
      ...(random(2) ? { approve: ['*'] } : {}),
    })),
  mounts: (random) =>
    some(random, () => '').map(() => ({
      source: '/srv/a',
      path: '/a',
      ...(random(2) ? { mode: 'rw' } : {}),
    })),
  credentials: (random) => (random(2) ? 'gateway' : 'files'),
  replicas: (random) => random(5),
  // Of a server that is newer than the page.
  of_tomorrow: (random) => ({ deep: [random(3), null, { a: 'b' }] }),
};

export function random_definition(random: Random): Definition {
  const names = Object.keys(members).filter((name) => name === 'name' || random(2) === 0);
  return Object.fromEntries(names.map((name) => [name, members[name]?.(random) ?? null]));
}
