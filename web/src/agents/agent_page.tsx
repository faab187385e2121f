import { useCallback, useState } from 'preact/hooks';

import { AuditList } from '../audit/audit_list';
import { type ApiError, error_of } from '../api/client';
import { announce } from '../app/announce';
import { useLive } from '../app/live';
import { navigate } from '../app/router';
import { Containers } from '../fleet/containers';
import { Badge } from '../parts/badges';
import { Dialog } from '../parts/dialog';
import { Banner, Empty, Loading } from '../parts/states';
import { agent_path, type AgentView } from '../routes';
import type { RegisteredAgent } from '../../generated/api';
import { delete_agent, enable_agent, fetch_agent } from './agent_calls';
import { AgentEditor } from './agent_editor';
import { is_enabled, is_resident } from './agent_list';
import { Overview } from './overview';

const period_ms = 5000;

const views: readonly (readonly [AgentView, string])[] = [
  ['overview', 'Overview'],
  ['edit', 'Edit'],
  ['containers', 'Containers'],
  ['history', 'History'],
];

export function AgentPage({ name, view }: { name: string; view: AgentView }) {
  const load = useCallback((signal: AbortSignal) => fetch_agent(name, signal), [name]);
  const { value, error, again } = useLive(load, period_ms);
  // The containers and the history of an agent outlive it.
  if (error?.code === 'not_found' && (view === 'overview' || view === 'edit'))
    return (
      <Empty title={`There is no agent ${name}`}>
        <p>{error.message}</p>
        <a href={agent_path(name, 'history')}>Who deleted it?</a> <a href="/agents">All agents</a>
      </Empty>
    );
  return (
    <>
      <Head name={name} one={error?.code === 'not_found' ? undefined : value} again={again} />
      <nav class="tabs" aria-label={`Views of ${name}`}>
        {views.map(([one, words]) => (
          <a key={one} href={agent_path(name, one)} aria-current={one === view ? 'page' : undefined}>
            {words}
          </a>
        ))}
      </nav>
      {error && error.code !== 'not_found' && <Banner error={error} again={again} />}
      {view === 'containers' && <Containers name={name} wanted={value ? is_resident(value) : false} />}
      {view === 'history' && <AuditList kind="agent" name={name} />}
      {!value && !error && view !== 'containers' && view !== 'history' && <Loading what={name} />}
      {value && view === 'overview' && <Overview one={value} />}
      {value && view === 'edit' && <Edit one={value} again={again} />}
    </>
  );
}

function Edit({ one, again }: { one: RegisteredAgent; again: () => Promise<void> }) {
  if (one.origin === 'file')
    return (
      <div class="card">
        <p>
          The file <span class="mono">{one.file}</span> of the server’s configuration defines this
          agent. Change it there, and start the server anew.
        </p>
      </div>
    );
  return (
    <>
      {one.origin === 'built-in' && (
        <p class="banner">
          This agent is built in. What you save is stored beside it and holds instead, until you
          delete that again.
        </p>
      )}
      <AgentEditor one={one} saved={again} />
    </>
  );
}

interface HeadProps {
  name: string;
  one: RegisteredAgent | undefined;
  again: () => Promise<void>;
}

function Head({ name, one, again }: HeadProps) {
  const [refused, set_refused] = useState<ApiError>();
  const [deleting, set_deleting] = useState(false);
  const [busy, set_busy] = useState(false);
  const toggle = async (): Promise<void> => {
    if (!one) return;
    set_busy(true);
    set_refused(undefined);
    try {
      await enable_agent(one, !is_enabled(one));
      announce(`${name} is ${is_enabled(one) ? 'disabled: it takes no new work' : 'enabled'}`);
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
    await again();
    set_busy(false);
  };
  return (
    <>
      <header class="page-head">
        <div>
          <p class="crumbs">
            <a href="/agents">Agents</a>
          </p>
          <h1 tabIndex={-1} class="mono">
            {name}
          </h1>
          {one && (
            <p class="badges">
              <Badge tone={is_enabled(one) ? 'good' : 'calm'}>
                {is_enabled(one) ? 'enabled' : 'disabled'}
              </Badge>
              {is_resident(one) && <Badge tone="busy">resident</Badge>}
              <span class="dim">
                {one.origin === 'api' ? `revision ${one.revision}` : `from ${one.file ?? one.origin}`}
              </span>
            </p>
          )}
        </div>
        {one && (
          <div class="actions">
            <a class="button" href={`/new-agent?from=${encodeURIComponent(name)}`}>
              Duplicate
            </a>
            {one.origin !== 'file' && (
              <button disabled={busy} onClick={() => void toggle()}>
                {is_enabled(one) ? 'Disable' : 'Enable'}
              </button>
            )}
            {one.origin === 'api' && (
              <button class="danger" onClick={() => set_deleting(true)}>
                Delete…
              </button>
            )}
          </div>
        )}
      </header>
      {refused && <Banner error={refused} />}
      {deleting && one && <Delete one={one} close={() => set_deleting(false)} />}
    </>
  );
}

function Delete({ one, close }: { one: RegisteredAgent; close: () => void }) {
  // What is deleted is what was looked at, also when somebody changes it behind the dialog.
  const [seen] = useState(one);
  const [refused, set_refused] = useState<ApiError>();
  const [busy, set_busy] = useState(false);
  const remove = async (): Promise<void> => {
    set_busy(true);
    try {
      await delete_agent(seen);
      announce(`${seen.name} is deleted`);
      close();
      navigate('/agents');
    } catch (thrown) {
      set_refused(error_of(thrown));
      set_busy(false);
    }
  };
  return (
    <Dialog title={`Delete ${seen.name}?`} close={close}>
      <p>
        Nobody can give it work any more. Its sessions, runs and the audit of its changes stay.
        {is_resident(seen) &&
          ' Its containers are removed, and their state is kept until it is wiped.'}
      </p>
      {refused && <Banner error={refused} />}
      <div class="actions">
        <button class="danger" disabled={busy} onClick={() => void remove()}>
          Delete
        </button>
        <button onClick={close}>Keep it</button>
      </div>
    </Dialog>
  );
}
