import { useEffect, useState } from 'preact/hooks';

const steps: readonly [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [30, 'day'],
  [12, 'month'],
  [Infinity, 'year'],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'long' });

export function since(at: number, now: number): string {
  let amount = (at - now) / 1000;
  if (Math.abs(amount) < 5) return 'just now';
  for (const [size, unit] of steps) {
    if (Math.abs(amount) < size) return relative.format(Math.round(amount), unit);
    amount /= size;
  }
  return '';
}

// The present, again and again while somebody looks.
function useNow(period_ms: number): number {
  const [now, set_now] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') set_now(Date.now());
    }, period_ms);
    return () => clearInterval(timer);
  }, [period_ms]);
  return now;
}

export function Time({ at }: { at: string }) {
  const now = useNow(10_000);
  const date = new Date(at);
  return (
    <time dateTime={at} title={date.toLocaleString()}>
      {since(date.getTime(), now)}
    </time>
  );
}
