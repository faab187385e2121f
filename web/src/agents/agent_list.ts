// Which agents a search shows. Pure.
import type { FleetAgent, FleetState, RegisteredAgent } from '../../generated/api';

export const kinds = ['all', 'enabled', 'disabled', 'resident'] as const;
export type Kind = (typeof kinds)[number];
export const kind_of = (text: string | null): Kind => kinds.find((one) => one === text) ?? 'all';

export const is_enabled = ({ agent }: RegisteredAgent): boolean => agent.enabled ?? true;
export const is_resident = ({ agent }: RegisteredAgent): boolean => agent.resident ?? false;

export function fits(one: RegisteredAgent, kind: Kind, search: string): boolean {
  if (kind === 'enabled' && !is_enabled(one)) return false;
  if (kind === 'disabled' && is_enabled(one)) return false;
  if (kind === 'resident' && !is_resident(one)) return false;
  const { name, description = '', model = '', runner = '', type = '' } = one.agent;
  const text = [name, description, model, runner, type].join('\n').toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export const state_of = (name: string, fleet: readonly FleetAgent[]): FleetState | undefined =>
  fleet.find((one) => one.agent === name)?.state;
