// Somebody else stored a change while one was typed: what both did, side by side, and what to do.
import { useEffect, useRef } from 'preact/hooks';

import { Heads } from '../parts/table';
import { Time } from '../parts/time';
import type { AuditEntry } from '../../generated/api';
import { type Change, changes_between, clashes, type Definition, type Json, same } from './changes';

export interface Theirs {
  definition: Definition | undefined; // undefined: it was deleted
  revision: number;
  by: AuditEntry | undefined;
}

interface Props {
  base: Definition;
  mine: Definition;
  theirs: Theirs;
  take_theirs: () => void;
  combine: () => void;
  save_mine: () => void;
}

const words = (value: Json | undefined): string =>
  value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value, null, 1);

function merged_rows(base: Definition, mine: Definition, theirs: Definition): { member: string; was: Json | undefined; theirs: Change | undefined; mine: Change | undefined }[] {
  const their_changes = changes_between(base, theirs);
  const my_changes = changes_between(base, mine);
  const members = [...new Set([...their_changes, ...my_changes].map((one) => one.member))];
  const of = (changes: Change[], member: string) => changes.find((one) => one.member === member);
  return members.map((member) => {
    const [other, own] = [of(their_changes, member), of(my_changes, member)];
    return { member, was: (other ?? own)?.before, theirs: other, mine: own };
  });
}

function Side({ label, change }: { label: string; change: Change | undefined }) {
  return (
    <td role="cell" data-label={label}>
      {change ? <pre class="value">{words(change.after)}</pre> : <span class="dim">unchanged</span>}
    </td>
  );
}

export function Conflict({ base, mine, theirs, take_theirs, combine, save_mine }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [theirs]);
  const other = theirs.definition;
  const who = theirs.by?.actor.replace(/^user:/, '') ?? 'Somebody else';
  const both = other ? clashes(base, mine, other) : [];
  return (
    <section class="card conflict" aria-labelledby="conflict-heading">
      <h2 id="conflict-heading" ref={heading} tabIndex={-1}>
        {other ? `${who} changed this agent meanwhile` : `${who} deleted this agent meanwhile`}
      </h2>
      <p>
        {theirs.by && (
          <>
            <Time at={theirs.by.at} />.{' '}
          </>
        )}
        Nothing of what you typed is lost, and nothing of theirs was overwritten.
        {both.length > 0 && ` You both changed ${both.join(', ')}.`}
      </p>
      {other && !same(base, other) && (
        <div class="scroll" tabIndex={0} role="group" aria-label="Their changes and yours">
          <table class="rows compare" role="table">
            <Heads names={['Member', 'Was', 'Theirs', 'Yours']} />
            <tbody>
              {merged_rows(base, mine, other).map((row) => (
                <tr role="row" key={row.member} class={both.includes(row.member) ? 'clash' : ''}>
                  <th role="rowheader" class="mono">
                    {row.member}
                  </th>
                  <td role="cell" data-label="Was">
                    <pre class="value">{words(row.was)}</pre>
                  </td>
                  <Side label="Theirs" change={row.theirs} />
                  <Side label="Yours" change={row.mine} />
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div class="actions">
        <button type="button" onClick={take_theirs}>
          {other ? 'Take theirs' : 'Leave it deleted'}
        </button>
        {other && (
          <button type="button" class="primary" onClick={combine}>
            {both.length > 0 ? 'Combine: yours where both changed' : 'Combine both'}
          </button>
        )}
        <button type="button" class="danger" onClick={save_mine}>
          {other ? 'Save yours over theirs' : 'Store yours again'}
        </button>
      </div>
    </section>
  );
}
