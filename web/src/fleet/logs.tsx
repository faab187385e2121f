// The end of what a container wrote.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import { call } from '../api/client';
import { useLive } from '../app/live';
import { Banner, Loading } from '../parts/states';
import { plain_text } from './log_text';

const period_ms = 2000;
const tails = [200, 1000, 5000] as const;

export function Logs({ agent, instance }: { agent: string; instance: string }) {
  const [tail, set_tail] = useState<number>(tails[0]);
  const [follow, set_follow] = useState(true);
  const load = useCallback(
    (signal: AbortSignal) =>
      call('GET /api/v1/agents/{agent}/logs', { path: { agent }, query: { instance, tail } }, signal),
    [agent, instance, tail],
  );
  const { value, error, again } = useLive(load, follow ? period_ms : undefined);
  const box = useRef<HTMLPreElement>(null);
  const text = value && plain_text(value.output);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, follow]);
  return (
    <div class="logs">
      <div class="logs-head">
        <label class="check">
          <input type="checkbox" checked={follow} onChange={(event) => set_follow(event.currentTarget.checked)} />
          <span>Follow</span>
        </label>
        <label class="check">
          <span>Last</span>
          <select value={tail} onChange={(event) => set_tail(Number(event.currentTarget.value))}>
            {tails.map((one) => (
              <option key={one} value={one}>
                {one} lines
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <Banner error={error} again={again} />}
      {!value && !error && <Loading what="logs" />}
      {text === '' && <p class="dim">It has written nothing yet.</p>}
      {text !== undefined && text !== '' && (
        <pre ref={box} class="log" tabIndex={0} role="log" aria-live="off" aria-label={`Logs of ${instance}`}>
          {text}
        </pre>
      )}
    </div>
  );
}
