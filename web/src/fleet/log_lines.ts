// What containers write, as it comes: the newest lines, and what happened between them. Pure.
import { plain_text } from './log_text';

export type LogKind = 'line' | 'gap' | 'replaced' | 'trouble' | 'end';
export const log_kinds: readonly LogKind[] = ['line', 'gap', 'replaced', 'trouble', 'end'];

export interface LogLine {
  is: LogKind;
  at: string | null;
  text: string;
}

export interface LogLines {
  lines: readonly LogLine[];
  shortened: boolean; // older ones are no longer here
  ended: boolean;
}

export const no_lines: LogLines = { lines: [], shortened: false, ended: false };

// One event of the stream; undefined where its data is none.
export function line_of(kind: LogKind, data: string): LogLine | undefined {
  let told: { at?: string | null; text?: string; reason?: string };
  try {
    told = JSON.parse(data) as typeof told;
  } catch {
    return undefined;
  }
  switch (kind) {
    case 'line':
      return { is: kind, at: told.at ?? null, text: plain_text(told.text ?? '') };
    case 'gap':
      return { is: kind, at: null, text: 'lines are missing here' };
    case 'replaced':
      return { is: kind, at: null, text: 'it goes on in another container' };
    case 'trouble':
      return { is: kind, at: null, text: told.reason ?? '' };
    case 'end':
      return { is: kind, at: null, text: 'it is gone' };
  }
}

export function with_lines(before: LogLines, more: readonly LogLine[], most: number): LogLines {
  const all = [...before.lines, ...more];
  return {
    lines: all.slice(-most),
    shortened: before.shortened || all.length > most,
    ended: before.ended || more.some((one) => one.is === 'end'),
  };
}
