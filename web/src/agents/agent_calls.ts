// What the pages ask the server about agents.
import { call } from '../api/client';
import type { AgentSpec, FleetAgent, RegisteredAgent } from '../../generated/api';

export async function fetch_agents(
  signal: AbortSignal,
): Promise<{ agents: RegisteredAgent[]; fleet: FleetAgent[] }> {
  const [{ agents }, { agents: fleet }] = await Promise.all([
    call('GET /api/v1/agents', {}, signal),
    call('GET /api/v1/fleet', {}, signal),
  ]);
  return { agents, fleet };
}

export const fetch_agent = (name: string, signal?: AbortSignal): Promise<RegisteredAgent> =>
  call('GET /api/v1/agents/{agent}', { path: { agent: name } }, signal);

// Over that revision and no other; 0: only where none is stored.
export const put_agent = (agent: AgentSpec, revision: number): Promise<RegisteredAgent> =>
  call('PUT /api/v1/agents/{agent}', { path: { agent: agent.name }, query: { revision }, body: agent });

export const delete_agent = ({ name, revision }: RegisteredAgent): Promise<undefined> =>
  call('DELETE /api/v1/agents/{agent}', { path: { agent: name }, query: { revision } });

export const enable_agent = (one: RegisteredAgent, enabled: boolean): Promise<RegisteredAgent> =>
  put_agent({ ...one.agent, enabled }, one.revision);
