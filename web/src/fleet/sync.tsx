// Making the containers as they are wanted, now, and what became of each.
import { useState } from 'preact/hooks';

import { type ApiError, call, error_of } from '../api/client';
import { announce } from '../app/announce';
import { Dialog } from '../parts/dialog';
import { Banner } from '../parts/states';
import type { FleetSummary } from '../../generated/api';

const outcomes = ['created', 'removed', 'unchanged', 'updated', 'failed'] as const;

const counts_words = ({ counts }: FleetSummary): string =>
  outcomes.map((outcome) => `${counts[outcome]} ${outcome}`).join(', ');

interface Props {
  agent?: string; // all
  done: () => Promise<void>;
}

export function SyncButton({ agent, done }: Props) {
  const [busy, set_busy] = useState(false);
  const [summary, set_summary] = useState<FleetSummary>();
  const [refused, set_refused] = useState<ApiError>();
  const sync = async (): Promise<void> => {
    set_busy(true);
    set_refused(undefined);
    try {
      const result = await call('POST /api/v1/fleet/sync', { body: agent ? { agent } : {} });
      set_summary(result);
      announce(`Synced: ${counts_words(result)}`);
    } catch (thrown) {
      set_refused(error_of(thrown));
    }
    await done();
    set_busy(false);
  };
  return (
    <>
      <button disabled={busy} aria-busy={busy} onClick={() => void sync()}>
        {busy ? 'Syncing…' : 'Sync now'}
      </button>
      {refused && <Banner error={refused} />}
      {summary && (
        <Dialog title="Synced" close={() => set_summary(undefined)}>
          <dl class="figures five">
            {outcomes.map((outcome) => (
              <div key={outcome} class={outcome === 'failed' && summary.counts.failed > 0 ? 'bad' : ''}>
                <dt>{outcome}</dt>
                <dd>{summary.counts[outcome]}</dd>
              </div>
            ))}
          </dl>
          {summary.failed.length > 0 && (
            <ul class="reasons">
              {summary.failed.map((one) => (
                <li key={one.instance}>
                  <span class="mono">{one.instance}</span> {one.reason}
                </li>
              ))}
            </ul>
          )}
          <div class="actions">
            <button onClick={() => set_summary(undefined)}>Done</button>
          </div>
        </Dialog>
      )}
    </>
  );
}
