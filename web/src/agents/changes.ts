// What is different between two definitions, member by member, and what becomes of two people's
// changes to one. Pure.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Definition = { [name: string]: Json };

export interface Change {
  member: string; // "limits.max_turns"
  before: Json | undefined; // undefined: there was none
  after: Json | undefined;
}

export const same = (left: Json | undefined, right: Json | undefined): boolean =>
  left === right || canonical(left) === canonical(right);

// Members in one order, so that two objects are compared by what they say.
export function canonical(value: Json | undefined): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}

const is_object = (value: Json | undefined): value is Definition =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// Objects are gone into; a list is one value.
export function changes_between(before: Definition, after: Definition, within = ''): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    const [old, now] = [before[name], after[name]];
    const member = within === '' ? name : `${within}.${name}`;
    if (same(old, now)) return [];
    if ((is_object(old) || old === undefined) && (is_object(now) || now === undefined))
      return changes_between(old ?? {}, now ?? {}, member);
    return [{ member, before: old, after: now }];
  });
}

// Members that both changed, and not to the same.
export function clashes(base: Definition, mine: Definition, theirs: Definition): string[] {
  const their_changes = new Map(changes_between(base, theirs).map((one) => [one.member, one]));
  return changes_between(base, mine)
    .filter(({ member, after }) => {
      const other = their_changes.get(member);
      return other !== undefined && !same(other.after, after);
    })
    .map(({ member }) => member);
}

// Theirs with my changes on it: a member that both changed is mine.
export function combined(
  base: Json | undefined,
  mine: Json | undefined,
  theirs: Json | undefined,
): Json | undefined {
  if (same(base, mine)) return theirs;
  const objects = [base, mine, theirs].every((one) => one === undefined || is_object(one));
  if (!objects || (mine === undefined && theirs === undefined)) return mine;
  const [old, own, other] = [base, mine, theirs].map((one) => (is_object(one) ? one : {}));
  const result: Definition = {};
  for (const name of new Set([...Object.keys(other ?? {}), ...Object.keys(own ?? {})])) {
    const value = combined(old?.[name], own?.[name], other?.[name]);
    if (value !== undefined) result[name] = value;
  }
  return mine === undefined && Object.keys(result).length === 0 ? undefined : result;
}

export interface Line {
  is: 'same' | 'removed' | 'added';
  text: string;
}

const compared_lines_max = 2000;

// Line by line, by the longest common subsequence; texts that are too long for that are shown as
// one removed and one added.
export function line_changes(before: string, after: string): Line[] {
  const old = before === '' ? [] : before.split('\n');
  const now = after === '' ? [] : after.split('\n');
  if (old.length + now.length > compared_lines_max)
    return [
      ...old.map((text): Line => ({ is: 'removed', text })),
      ...now.map((text): Line => ({ is: 'added', text })),
    ];
  const width = now.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; --i)
    for (let j = now.length - 1; j >= 0; --j)
      common[i * width + j] =
        old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push({ is: 'same', text: old[i] ?? '' });
      ++i;
      ++j;
    } else if (i < old.length && (j >= now.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ is: 'removed', text: old[i++] ?? '' });
    } else {
      lines.push({ is: 'added', text: now[j++] ?? '' });
    }
  }
  return lines;
}
