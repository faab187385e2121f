// The pages and their addresses. The server gives index.html for the same paths
// (src/api/dashboard_routes.cc).

export const agent_views = ['overview', 'edit', 'containers', 'history'] as const;
export type AgentView = (typeof agent_views)[number];

export type Route =
  | { page: 'agents' }
  | { page: 'new-agent' }
  | { page: 'agent'; name: string; view: AgentView }
  | { page: 'fleet' }
  | { page: 'audit' }
  | { page: 'nowhere'; path: string };

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function route_of(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '').map(decoded);
  const [first, name, view] = parts;
  if (first === undefined) return { page: 'agents' };
  if (parts.length === 1) {
    if (first === 'agents' || first === 'new-agent' || first === 'fleet' || first === 'audit')
      return { page: first };
  } else if (first === 'agents' && name !== undefined && parts.length <= 3) {
    const known = agent_views.find((one) => one === (view ?? 'overview'));
    if (known) return { page: 'agent', name, view: known };
  }
  return { page: 'nowhere', path };
}

export function path_of(route: Route): string {
  switch (route.page) {
    case 'agent': {
      const place = `/agents/${encodeURIComponent(route.name)}`;
      return route.view === 'overview' ? place : `${place}/${route.view}`;
    }
    case 'nowhere':
      return route.path;
    default:
      return `/${route.page}`;
  }
}

export const agent_path = (name: string, view: AgentView = 'overview'): string =>
  path_of({ page: 'agent', name, view });

export function title_of(route: Route): string {
  switch (route.page) {
    case 'agents':
      return 'Agents';
    case 'new-agent':
      return 'New agent';
    case 'agent':
      return route.name;
    case 'fleet':
      return 'Fleet';
    case 'audit':
      return 'Audit';
    case 'nowhere':
      return 'Not found';
  }
}
