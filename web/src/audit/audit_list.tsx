// Who changed what, newest first, a page at a time.
import { useCallback, useEffect, useState } from 'preact/hooks';

import { type ApiError, call, error_of } from '../api/client';
import { useLive } from '../app/live';
import { ChangeValue } from '../agents/change_list';
import type { Json } from '../agents/changes';
import { Badge } from '../parts/badges';
import { Banner, Loading, Nothing } from '../parts/states';
import { Time } from '../parts/time';
import { agent_path } from '../routes';
import type { AuditEntry, MemberChange } from '../../generated/api';

const page_size = 30;
const period_ms = 10_000;

const tones = {
  created: 'good',
  changed: 'busy',
  enabled: 'good',
  disabled: 'calm',
  deleted: 'bad',
} as const;

type Kind = 'agent' | 'task_type';

interface Props {
  kind?: Kind | undefined; // all
  name?: string; // all
}

const page_of = (props: Props, before: string | undefined, signal?: AbortSignal) =>
  call('GET /api/v1/audit', {
    query: {
      ...(props.kind ? { kind: props.kind } : {}),
      ...(props.name ? { name: props.name } : {}),
      ...(before ? { before } : {}),
      limit: page_size,
    } }, signal);

export function AuditList({ kind, name = '' }: Props) {
  const load = useCallback(
    (signal: AbortSignal) => page_of({ kind, name }, undefined, signal),
    [kind, name],
  );
  const { value, error, again } = useLive(load, period_ms);
  const [older, set_older] = useState<AuditEntry[]>([]);
  const [next, set_next] = useState<string | null>();
  const [refused, set_refused] = useState<ApiError>();
  useEffect(() => {
    set_older([]);
    set_next(undefined);
  }, [load]);

  const from = next === undefined ? value?.next : next;
  const more = async (): Promise<void> => {
    if (!from) return;
    try {
      const page = await page_of({ kind, name }, from);
      set_older((before) => [...before, ...page.entries]);
      set_next(page.next);
      set_refused(undefined);
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
  };
  // The first page moves on while older ones were read.
  const seen = new Set(older.map((entry) => entry.id));
  const entries = [...(value?.entries ?? []).filter((entry) => !seen.has(entry.id)), ...older];
  return (
    <>
      {error && <Banner error={error} again={again} />}
      {!value && !error && <Loading what="the audit" />}
      {value && entries.length === 0 && (
        <Nothing title="Nothing was changed through the API">
          <p>Every change of an agent or a task type is written down here, with who made it.</p>
        </Nothing>
      )}
      {entries.length > 0 && (
        <ol class="audit" aria-label="Changes, the newest first">
          {entries.map((entry) => (
            <Entry key={entry.id} entry={entry} named={name === ''} />
          ))}
        </ol>
      )}
      {refused && <Banner error={refused} />}
      {from && entries.length > 0 && (
        <button class="more" onClick={() => void more()}>
          Older changes
        </button>
      )}
    </>
  );
}

function summary_of(changes: readonly MemberChange[]): string {
  const members = changes.map((one) => one.member.replace(/^\//, '').replaceAll('/', '.'));
  const told = members.slice(0, 4).join(', ');
  return members.length > 4 ? `${told} and ${members.length - 4} more` : told;
}

function Entry({ entry, named }: { entry: AuditEntry; named: boolean }) {
  const [whole, set_whole] = useState<AuditEntry>();
  const shortened = entry.changes.some((one) => one.shortened);
  // A listing tells the beginning of a long text.
  const open = (event: Event): void => {
    if (!(event.currentTarget as HTMLDetailsElement).open || !shortened || whole) return;
    call('GET /api/v1/audit/{entry}', { path: { entry: entry.id } }).then(set_whole, () => {});
  };
  return (
    <li>
      <details onToggle={open}>
        <summary data-row>
          <Badge tone={tones[entry.action]}>{entry.action}</Badge>
          {named && <span class="mono name">{entry.name}</span>}
          {named && entry.kind === 'task_type' && <span class="dim">task type</span>}
          <span class="who-when">
            by <strong>{entry.actor.replace(/^user:/, '')}</strong> <Time at={entry.at} />
          </span>
          <span class="dim what">{entry.action === 'changed' ? summary_of(entry.changes) : `revision ${entry.revision}`}</span>
        </summary>
        <dl class="changes">
          {(whole ?? entry).changes.map((one) => (
            <div key={one.member}>
              <dt>{one.member.replace(/^\//, '').replaceAll('/', '.')}</dt>
              <dd>
                <ChangeValue before={one.before as Json | undefined} after={one.after as Json | undefined} />
              </dd>
            </div>
          ))}
        </dl>
        {named && entry.kind === 'agent' && entry.action !== 'deleted' && (
          <p>
            <a href={agent_path(entry.name)}>Go to {entry.name}</a>
          </p>
        )}
      </details>
    </li>
  );
}
