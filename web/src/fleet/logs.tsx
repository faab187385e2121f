// What a container wrote and writes.
import { useEffect, useRef, useState } from 'preact/hooks';

import { Banner, Loading } from '../parts/states';
import type { LogLine } from './log_lines';
import { useLog } from './use_log';

const tails = [200, 1000, 5000] as const;

export function Logs({ agent, instance }: { agent: string; instance: string }) {
  const [tail, set_tail] = useState<number>(tails[0]);
  const [follow, set_follow] = useState(true);
  const log = useLog(agent, instance, tail, follow);
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [log.lines, follow]);
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
        {log.state === 'lost' && !log.error && !log.ended && (
          <span class="reason" role="status">
            The stream is lost; it is tried again.
          </span>
        )}
      </div>
      {log.error && <Banner error={log.error} />}
      {log.state === 'connecting' && <Loading what="logs" />}
      {log.state === 'open' && log.lines.length === 0 && (
        <p class="dim">It has written nothing yet.</p>
      )}
      {log.lines.length > 0 && (
        <pre ref={box} class="log" tabIndex={0} role="log" aria-live="off" aria-label={`Logs of ${instance}`}>
          {log.shortened && <span class="dim">… older lines are left out{'\n'}</span>}
          {log.lines.map((line, i) => (
            <Line key={i} line={line} />
          ))}
        </pre>
      )}
    </div>
  );
}

function Line({ line }: { line: LogLine }) {
  if (line.is === 'line') return <span title={line.at ?? ''}>{`${line.text}\n`}</span>;
  return <em class={line.is === 'trouble' ? 'reason' : 'dim'}>{`— ${line.text} —\n`}</em>;
}
