import { call } from '../api/client';
import { useLive } from '../app/live';
import { usePlace } from '../app/router';
import { StateBadge, state_words } from '../parts/badges';
import { Choice, Search } from '../parts/search';
import { Banner, Loading, Nothing } from '../parts/states';
import { Heads } from '../parts/table';
import { Time } from '../parts/time';
import { agent_path } from '../routes';
import type { FleetAgent, FleetInstance } from '../../generated/api';
import { bytes_words, count_words, seconds_words, usd_words } from './amounts';
import { counts_of, fits, instances_of, states } from './fleet_list';
import { SyncButton } from './sync';

const period_ms = 3000;
const usage_period_ms = 15_000;

const load_fleet = (signal: AbortSignal) => call('GET /api/v1/fleet', {}, signal);
// Each container's engine is asked, so this is not for every look.
const load_usage = (signal: AbortSignal) =>
  call('GET /api/v1/fleet', { query: { usage: true } }, signal);

export function FleetPage() {
  const { query } = usePlace();
  const { value, error, again } = useLive(load_fleet, period_ms);
  const { value: usage, again: ask_usage } = useLive(load_usage, usage_period_ms);
  const synced = async () => {
    await Promise.all([again(), ask_usage()]);
  };
  const search = query.get('q') ?? '';
  const state = states.find((one) => one === query.get('state')) ?? 'all';
  const all = instances_of(value?.agents ?? []);
  const shown = all.filter((one) => fits(one, search, state));
  const counts = counts_of(all);
  return (
    <>
      <header class="page-head">
        <div>
          <h1 tabIndex={-1}>Fleet</h1>
          <p class="lead">The containers that resident agents keep.</p>
        </div>
        <SyncButton done={synced} />
      </header>
      {all.length > 0 && (
        <div class="tools">
          <Search label="Search containers" />
          <Choice
            label="State"
            name="state"
            usual="all"
            value={state}
            choices={['all', ...counts.map(([one]) => one)]}
            words={(one) => (one === 'all' ? `all ${all.length}` : `${state_words(one)} ${counts.find(([other]) => other === one)?.[1] ?? 0}`)}
          />
        </div>
      )}
      {error && <Banner error={error} again={again} />}
      {!value && !error && <Loading what="the fleet" />}
      {value && all.length === 0 && (
        <Nothing title="No agent keeps a container">
          <p>
            A resident agent has one, with a state that stays. Make one under{' '}
            <a href="/new-agent">New agent</a>, or change one of <a href="/agents">yours</a>.
          </p>
        </Nothing>
      )}
      {value && all.length > 0 && shown.length === 0 && (
        <Nothing title="No container fits this search">
          <a href="/fleet">Show all of them</a>
        </Nothing>
      )}
      {shown.length > 0 && (
        <table class="rows" aria-label="Containers" role="table">
          <Heads names={['Container', 'State', 'Since', 'Restarts', 'Heartbeat', 'Uses', 'Agent’s cost']} />
          <tbody>
            {shown.map((one) => (
              <Row key={one.instance} one={one} usage={usage?.agents} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function Row({ one, usage }: { one: FleetInstance; usage: FleetAgent[] | undefined }) {
  const agent = usage?.find((other) => other.agent === one.agent);
  const used = agent?.instances.find((other) => other.instance === one.instance);
  const spend = agent?.spend;
  return (
    <tr role="row" class={one.wanted ? '' : 'faint'}>
      <td role="cell" class="grow">
        <a class="name" href={agent_path(one.agent, 'containers')} data-row>
          {one.instance}
        </a>
        <span class="note">
          {one.instance === one.agent ? one.backend : `of ${one.agent}, ${one.backend}`}
          {one.busy === true && ', at work'}
        </span>
        {one.reason !== '' && <span class="note reason">{one.reason}</span>}
      </td>
      <td role="cell" data-label="State">
        <StateBadge state={one.state} />
      </td>
      <td role="cell" data-label="Since">
        <Time at={one.since} />
      </td>
      <td role="cell" data-label="Restarts" class="number">
        {one.restarts}
      </td>
      <td role="cell" data-label="Heartbeat">
        {one.heartbeat ? <Time at={one.heartbeat} /> : <span class="dim">none</span>}
      </td>
      <td role="cell" data-label="Uses" class="number">
        {used && used.memory_bytes !== null && used.cpu_s !== null ? (
          <div class="lines">
            {bytes_words(used.memory_bytes)}
            <span class="note">{seconds_words(used.cpu_s)} of CPU</span>
          </div>
        ) : (
          <span class="dim">not known</span>
        )}
      </td>
      <td role="cell" data-label="Agent’s cost" class="number">
        {spend && spend.runs > 0 ? (
          <div class="lines">
            {usd_words(spend.cost_usd)}
            <span class="note">{count_words(spend.input_tokens + spend.output_tokens)} tokens</span>
          </div>
        ) : (
          <span class="dim">none</span>
        )}
      </td>
    </tr>
  );
}
