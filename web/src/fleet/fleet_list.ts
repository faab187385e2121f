// Which containers a search shows, and how many are how. Pure.
import type { FleetAgent, FleetInstance, FleetState } from '../../generated/api';

// The worst first, as the server ranks them.
export const states: readonly FleetState[] = [
  'foreign',
  'failed',
  'crash_loop',
  'unhealthy',
  'starting',
  'running',
  'stopped',
];

export const instances_of = (agents: readonly FleetAgent[]): FleetInstance[] =>
  agents.flatMap((agent) => agent.instances);

export function fits(one: FleetInstance, search: string, state: FleetState | 'all'): boolean {
  if (state !== 'all' && one.state !== state) return false;
  const text = `${one.instance}\n${one.agent}\n${one.backend}\n${one.reason}\n${one.image ?? ''}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export const counts_of = (instances: readonly FleetInstance[]): (readonly [FleetState, number])[] =>
  states
    .map((state) => [state, instances.filter((one) => one.state === state).length] as const)
    .filter(([, count]) => count > 0);
