// Keys: one, or two in a row ("g a"). Pure; shell.tsx listens.

export type Action =
  | 'next'
  | 'previous'
  | 'search'
  | 'help'
  | 'new'
  | 'edit'
  | 'agents'
  | 'fleet'
  | 'audit';

export interface Shortcut {
  keys: string;
  does: Action;
  words: string;
}

export const shortcuts: readonly Shortcut[] = [
  { keys: 'j', does: 'next', words: 'next in the list' },
  { keys: 'k', does: 'previous', words: 'previous in the list' },
  { keys: '/', does: 'search', words: 'search' },
  { keys: 'n', does: 'new', words: 'new agent' },
  { keys: 'e', does: 'edit', words: 'edit this agent' },
  { keys: 'g a', does: 'agents', words: 'go to agents' },
  { keys: 'g f', does: 'fleet', words: 'go to the fleet' },
  { keys: 'g u', does: 'audit', words: 'go to the audit' },
  { keys: '?', does: 'help', words: 'these keys' },
];

export interface KeyState {
  first: string; // of two; empty: none was pressed
  until: number; // it counts until then, in ms
}

export const no_keys: KeyState = { first: '', until: 0 };
export const pause_ms = 1200;

export function press(state: KeyState, key: string, now: number): [KeyState, Action | undefined] {
  const keys = state.first !== '' && now <= state.until ? `${state.first} ${key}` : key;
  const found = shortcuts.find((one) => one.keys === keys) ?? shortcuts.find((one) => one.keys === key);
  if (found) return [no_keys, found.does];
  const begins = shortcuts.some((one) => one.keys.startsWith(`${key} `));
  return [begins ? { first: key, until: now + pause_ms } : no_keys, undefined];
}
