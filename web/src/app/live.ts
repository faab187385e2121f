// What the server says now, looked at again and again while somebody looks at the page. A page that
// is hidden asks nothing, so that an idle server stays idle.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import { type ApiError, error_of } from '../api/client';

export interface Live<Value> {
  value: Value | undefined; // undefined: nothing has come yet
  error: ApiError | undefined; // of the last look; the value is the last that came
  again: () => Promise<void>; // now
}

// `load` is another function whenever what is to be loaded is another; with undefined as the period
// it is loaded once.
export function useLive<Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  period_ms: number | undefined,
): Live<Value> {
  const [value, set_value] = useState<Value>();
  const [error, set_error] = useState<ApiError>();
  const look = useRef<() => Promise<void>>(async () => {});

  useEffect(() => {
    set_value(undefined);
    set_error(undefined);
    let stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;

    const again = async (): Promise<void> => {
      clearTimeout(timer);
      stop.abort();
      const mine = (stop = new AbortController());
      try {
        const found = await load(mine.signal);
        if (mine.signal.aborted) return;
        set_value(() => found);
        set_error(undefined);
      } catch (thrown) {
        if (mine.signal.aborted) return;
        set_error(error_of(thrown));
      }
      if (!ended && period_ms !== undefined && document.visibilityState === 'visible')
        timer = setTimeout(again, period_ms);
    };
    const seen = (): void => {
      if (document.visibilityState === 'visible') void again();
      else clearTimeout(timer);
    };
    look.current = again;
    void again();
    if (period_ms !== undefined) document.addEventListener('visibilitychange', seen);
    return () => {
      ended = true;
      clearTimeout(timer);
      stop.abort();
      document.removeEventListener('visibilitychange', seen);
    };
  }, [load, period_ms]);

  const again = useCallback(() => look.current(), []);
  return { value, error, again };
}
