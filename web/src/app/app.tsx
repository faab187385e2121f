import { AgentPage } from '../agents/agent_page';
import { AgentsPage } from '../agents/agents_page';
import { NewAgentPage } from '../agents/new_agent_page';
import { AuditPage } from '../audit/audit_page';
import { FleetPage } from '../fleet/fleet_page';
import { Empty } from '../parts/states';
import { route_of } from '../routes';
import { Router, usePlace } from './router';
import { SessionGate } from './session';
import { Shell } from './shell';

function Page() {
  const route = route_of(usePlace().path);
  switch (route.page) {
    case 'agents':
      return <AgentsPage />;
    case 'new-agent':
      return <NewAgentPage />;
    case 'agent':
      return <AgentPage key={route.name} name={route.name} view={route.view} />;
    case 'fleet':
      return <FleetPage />;
    case 'audit':
      return <AuditPage />;
    case 'nowhere':
      return (
        <Empty title="There is no such page">
          <a href="/agents">Go to the agents</a>
        </Empty>
      );
  }
}

export function App() {
  return (
    <Router>
      <SessionGate>
        <Shell>
          <Page />
        </Shell>
      </SessionGate>
    </Router>
  );
}
