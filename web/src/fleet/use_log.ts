// A container's lines as they are written, while somebody looks: a page that is hidden lets the
// stream go, and goes on behind the last line when it is seen again.
import { useEffect, useState } from 'preact/hooks';

import { address, type ApiError, call, error_of } from '../api/client';
import { line_of, log_kinds, type LogLine, type LogLines, no_lines, with_lines } from './log_lines';

export interface Log extends LogLines {
  state: 'connecting' | 'open' | 'lost'; // a lost one is tried again by itself
  error: ApiError | undefined; // the server refuses it: it is not
}

const nothing: Log = { ...no_lines, state: 'connecting', error: undefined };
const retry_ms = 3000;

// A stream that is refused does not say why; the same question without a stream does.
async function refusal(agent: string, instance: string): Promise<ApiError | undefined> {
  try {
    await call('GET /api/v1/agents/{agent}/logs', { path: { agent }, query: { instance, tail: 1 } });
    return undefined;
  } catch (thrown) {
    const error = error_of(thrown);
    return error.code === 'unreachable' || error.code === 'unavailable' ? undefined : error;
  }
}

export function useLog(agent: string, instance: string, tail: number, following: boolean): Log {
  const [log, set_log] = useState<Log>(nothing);
  useEffect(() => {
    if (!following) return;
    let source: EventSource | undefined;
    let last = '';
    let come: LogLine[] = [];
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;

    // Once a frame, however many lines came.
    const show = (): void => {
      frame = 0;
      const more = come;
      come = [];
      set_log((before) => ({ ...before, ...with_lines(before, more, tail), state: 'open' }));
      if (more.some((line) => line.is === 'end')) source?.close();
    };
    const take = (kind: LogLine['is'], event: MessageEvent<string>): void => {
      if (event.lastEventId !== '') last = event.lastEventId;
      const line = line_of(kind, event.data);
      if (!line) return;
      come.push(line);
      if (frame === 0) frame = requestAnimationFrame(show);
    };
    const lost = async (): Promise<void> => {
      set_log((before) => ({ ...before, state: 'lost' }));
      if (source?.readyState !== EventSource.CLOSED) return;
      const error = await refusal(agent, instance);
      if (stopped) return;
      if (error) set_log((before) => ({ ...before, error }));
      else timer = setTimeout(seen, retry_ms);
    };
    const open = (): void => {
      source?.close();
      const place = address('/api/v1/agents/{agent}/logs', { agent }, { follow: true, instance, tail, after: last });
      source = new EventSource(place);
      source.onopen = () => set_log((before) => ({ ...before, state: 'open' }));
      source.onerror = () => void lost();
      for (const kind of log_kinds)
        source.addEventListener(kind, (event) => take(kind, event as MessageEvent<string>));
    };
    const seen = (): void => {
      clearTimeout(timer);
      if (document.visibilityState === 'visible') open();
      else source?.close();
    };
    // Anew: what was shown is in the tail that comes first.
    set_log(nothing);
    seen();
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      stopped = true;
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      source?.close();
    };
  }, [agent, instance, tail, following]);
  return log;
}
