// The containers of one agent: how they are, what they use, what they wrote, and their state.
import { useCallback, useState } from 'preact/hooks';

import { type ApiError, call, error_of } from '../api/client';
import { announce } from '../app/announce';
import { useLive } from '../app/live';
import { StateBadge } from '../parts/badges';
import { Dialog } from '../parts/dialog';
import { Banner, Loading, Nothing } from '../parts/states';
import { Time } from '../parts/time';
import { agent_path } from '../routes';
import type { FleetAgent, FleetInstance } from '../../generated/api';
import { bytes_words, count_words, seconds_words, usd_words } from './amounts';
import { Logs } from './logs';
import { SyncButton } from './sync';

const period_ms = 4000;

export function Containers({ name, wanted }: { name: string; wanted: boolean }) {
  const load = useCallback(
    (signal: AbortSignal) => call('GET /api/v1/fleet/{agent}', { path: { agent: name } }, signal),
    [name],
  );
  const { value, error, again } = useLive(load, period_ms);
  const [wiping, set_wiping] = useState<string | 'all'>();
  const none = error?.code === 'not_found';
  return (
    <>
      {error && !none && <Banner error={error} again={again} />}
      {!value && !error && <Loading what="containers" />}
      {none && (
        <Nothing title={`${name} has no container and no state`}>
          {wanted ? (
            <p>It is resident: the next look at the fleet makes them.</p>
          ) : (
            <p>
              A resident agent has. <a href={agent_path(name, 'edit')}>Make it one</a>
            </p>
          )}
          {wanted && <SyncButton agent={name} done={again} />}
        </Nothing>
      )}
      {value && !none && (
        <>
          <Spend one={value} />
          <div class="instances">
            {value.instances.map((instance) => (
              <Instance
                key={instance.instance}
                one={instance}
                agent={name}
                wipe={() => set_wiping(instance.instance)}
              />
            ))}
          </div>
          <div class="actions">
            <SyncButton agent={name} done={again} />
            <button class="danger" onClick={() => set_wiping('all')}>
              Wipe all state…
            </button>
          </div>
        </>
      )}
      {wiping !== undefined && (
        <Wipe
          agent={name}
          instance={wiping === 'all' ? undefined : wiping}
          close={() => set_wiping(undefined)}
          done={again}
        />
      )}
    </>
  );
}

function Spend({ one }: { one: FleetAgent }) {
  if (!one.spend) return null;
  const { runs, input_tokens, output_tokens, cost_usd } = one.spend;
  const facts = [
    ['Runs', count_words(runs)],
    ['Tokens in', count_words(input_tokens)],
    ['Tokens out', count_words(output_tokens)],
    ['Cost', usd_words(cost_usd)],
  ] as const;
  return (
    <dl class="figures">
      {facts.map(([label, text]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

interface InstanceProps {
  one: FleetInstance;
  agent: string;
  wipe: () => void;
}

function Instance({ one, agent, wipe }: InstanceProps) {
  const [logs, set_logs] = useState(false);
  return (
    <section class="card instance" aria-label={`Container ${one.instance}`}>
      <header>
        <h2 class="mono">{one.instance}</h2>
        <StateBadge state={one.state} />
        <span class="dim">
          since <Time at={one.since} />
        </span>
      </header>
      {one.reason !== '' && <p class="reason">{one.reason}</p>}
      {one.state === 'foreign' && (
        <p class="help">
          What has its name is somebody else’s, and is left alone. Rename or remove that, or give
          the server another DROVER_FLEET_PREFIX.
        </p>
      )}
      <dl class="facts tight">
        <Fact label="Backend" text={one.backend} />
        <Fact label="At work" text={one.busy === null ? 'not known' : one.busy ? 'yes' : 'no'} />
        <Fact label="Restarts" text={String(one.restarts)} />
        <div>
          <dt>Heartbeat</dt>
          <dd>{one.heartbeat ? <Time at={one.heartbeat} /> : 'none'}</dd>
        </div>
        <Fact label="Memory" text={one.memory_bytes === null ? 'not known' : bytes_words(one.memory_bytes)} />
        <Fact label="Processor" text={one.cpu_s === null ? 'not known' : seconds_words(one.cpu_s)} />
        {one.retry_in_s !== null && <Fact label="Tried again" text={`in ${seconds_words(one.retry_in_s)}`} />}
        {one.image !== null && <Fact label="Image" text={one.image} mono />}
        {one.container !== null && <Fact label="Container" text={one.container.slice(0, 24)} mono />}
      </dl>
      <div class="actions">
        <button aria-expanded={logs} onClick={() => set_logs(!logs)}>
          {logs ? 'Hide logs' : 'Logs'}
        </button>
        <button class="danger" onClick={wipe}>
          Wipe state…
        </button>
      </div>
      {logs && <Logs agent={agent} instance={one.instance} />}
    </section>
  );
}

function Fact({ label, text, mono = false }: { label: string; text: string; mono?: boolean }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd class={mono ? 'mono' : ''}>{text}</dd>
    </div>
  );
}

interface WipeProps {
  agent: string;
  instance: string | undefined; // all of the agent's
  close: () => void;
  done: () => Promise<void>;
}

function Wipe({ agent, instance, close, done }: WipeProps) {
  const [typed, set_typed] = useState('');
  const [refused, set_refused] = useState<ApiError>();
  const [busy, set_busy] = useState(false);
  const wipe = async (event: Event): Promise<void> => {
    event.preventDefault();
    set_busy(true);
    try {
      await call('POST /api/v1/agents/{agent}/wipe', {
        path: { agent },
        body: { confirm: typed, ...(instance === undefined ? {} : { instance }) },
      });
      announce(`The state of ${instance ?? agent} is gone`);
      close();
    } catch (thrown) {
      set_refused(error_of(thrown));
      set_busy(false);
    }
    await done();
  };
  return (
    <Dialog title={`Wipe the state of ${instance ?? agent}?`} close={close}>
      <form onSubmit={(event) => void wipe(event)}>
        <p>
          What is in <span class="mono">/state</span> is deleted for good. Nothing brings it back.
        </p>
        {refused && <Banner error={refused} />}
        <label class="field-label" for="confirm">
          Type <span class="mono">{agent}</span> to confirm
        </label>
        <input
          id="confirm"
          class="mono"
          autocomplete="off"
          spellcheck={false}
          value={typed}
          onInput={(event) => set_typed(event.currentTarget.value)}
        />
        <div class="actions">
          <button class="danger" disabled={busy || typed !== agent}>
            Wipe
          </button>
          <button type="button" onClick={close}>
            Keep it
          </button>
        </div>
      </form>
    </Dialog>
  );
}
