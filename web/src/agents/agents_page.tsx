import { useState } from 'preact/hooks';

import { type ApiError, error_of } from '../api/client';
import { announce } from '../app/announce';
import { useLive } from '../app/live';
import { usePlace } from '../app/router';
import { Badge, StateBadge, Switch } from '../parts/badges';
import { Choice, Search } from '../parts/search';
import { Banner, Loading, Nothing } from '../parts/states';
import { Heads } from '../parts/table';
import { agent_path } from '../routes';
import type { FleetAgent, RegisteredAgent } from '../../generated/api';
import { enable_agent, fetch_agents } from './agent_calls';
import { fits, is_enabled, is_resident, kind_of, kinds, state_of } from './agent_list';

const period_ms = 4000;

export function AgentsPage() {
  const { query } = usePlace();
  const { value, error, again } = useLive(fetch_agents, period_ms);
  const [refused, set_refused] = useState<ApiError>();
  const search = query.get('q') ?? '';
  const kind = kind_of(query.get('show'));
  const shown = value?.agents.filter((one) => fits(one, kind, search)) ?? [];

  const toggle = async (one: RegisteredAgent): Promise<void> => {
    set_refused(undefined);
    try {
      await enable_agent(one, !is_enabled(one));
      announce(`${one.name} is ${is_enabled(one) ? 'disabled: it takes no new work' : 'enabled'}`);
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
    await again();
  };

  return (
    <>
      <header class="page-head">
        <div>
          <h1 tabIndex={-1}>Agents</h1>
          <p class="lead">Who does the work: its model and words, its tools and limits.</p>
        </div>
        <a class="button primary" href="/new-agent">
          New agent
        </a>
      </header>
      <div class="tools">
        <Search label="Search agents" />
        <Choice label="Show" name="show" usual="all" value={kind} choices={kinds} />
      </div>
      {error && <Banner error={error} again={again} />}
      {refused && <Banner error={refused} />}
      {!value && !error && <Loading what="agents" />}
      {value && shown.length === 0 && (
        <Nothing title={search === '' && kind === 'all' ? 'No agents yet' : 'No agent fits this search'}>
          {search === '' && kind === 'all' ? (
            <a href="/new-agent">Make the first one</a>
          ) : (
            <a href="/agents">Show all of them</a>
          )}
        </Nothing>
      )}
      {value && shown.length > 0 && (
        <table class="rows" aria-label="Agents" role="table">
          <Heads names={['Name', 'Model', 'State', 'Revision', 'Enabled']} />
          <tbody>
            {shown.map((one) => (
              <AgentRow key={one.name} one={one} fleet={value.fleet} toggle={toggle} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

interface RowProps {
  one: RegisteredAgent;
  fleet: readonly FleetAgent[];
  toggle: (one: RegisteredAgent) => Promise<void>;
}

function AgentRow({ one, fleet, toggle }: RowProps) {
  const [busy, set_busy] = useState(false);
  const state = state_of(one.name, fleet);
  const { description, model, runner, replicas = 1 } = one.agent;
  const enabled = is_enabled(one);
  return (
    <tr role="row" class={enabled ? '' : 'faint'}>
      <td role="cell" class="grow">
        <a class="name" href={agent_path(one.name)} data-row>
          {one.name}
        </a>
        {description && <span class="note">{description}</span>}
      </td>
      <td role="cell" data-label="Model">
        {model ? <span class="mono">{model}</span> : <span class="dim">the server’s</span>}
        {runner && <span class="note">{runner}</span>}
      </td>
      <td role="cell" data-label="State">
        {is_resident(one) ? (
          <a href={agent_path(one.name, 'containers')} class="bare">
            {state ? <StateBadge state={state} /> : <Badge>resident</Badge>}
            {replicas > 1 && <span class="times">×{replicas}</span>}
          </a>
        ) : (
          <span class="dim">on demand</span>
        )}
      </td>
      <td role="cell" data-label="Revision">
        <span class="dim">{one.origin === 'api' ? one.revision : one.origin}</span>
      </td>
      <td role="cell" data-label="Enabled">
        <Switch
          on={enabled}
          label={`${one.name} takes new work`}
          disabled={busy || one.origin === 'file'}
          toggle={async () => {
            set_busy(true);
            await toggle(one);
            set_busy(false);
          }}
        />
      </td>
    </tr>
  );
}
