// Changes as they are read: a member, what it was, what it is.
import { type Change, type Json, line_changes } from './changes';

const words = (value: Json | undefined): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ');

const lines = (value: Json | undefined): string | undefined => {
  if (typeof value === 'string') return value;
  if (Array.isArray(value))
    return value.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n');
  return undefined;
};

function Side({ value }: { value: Json | undefined }) {
  if (value === undefined) return <span class="dim">none</span>;
  return <span class="mono">{words(value) || '“”'}</span>;
}

export function ChangeValue({ before, after }: Omit<Change, 'member'>) {
  const [old, now] = [lines(before), lines(after)];
  const long = [old, now].some((text) => text !== undefined && (text.includes('\n') || text.length > 60));
  if (long && (old !== undefined || before === undefined) && (now !== undefined || after === undefined))
    return (
      <div class="diff" tabIndex={0} role="group" aria-label="Difference">
        {line_changes(old ?? '', now ?? '').map((line, i) => (
          <div key={i} class={line.is}>
            <span class="sign" aria-hidden="true">
              {line.is === 'added' ? '+' : line.is === 'removed' ? '−' : ' '}
            </span>
            {line.is !== 'same' && <span class="unseen">{line.is}: </span>}
            <span>{line.text}</span>
          </div>
        ))}
      </div>
    );
  return (
    <p class="was-is">
      <span class="unseen">was </span>
      <del>
        <Side value={before} />
      </del>
      <span aria-hidden="true"> → </span>
      <span class="unseen">is </span>
      <ins>
        <Side value={after} />
      </ins>
    </p>
  );
}

export function ChangeList({ changes }: { changes: readonly Change[] }) {
  return (
    <dl class="changes">
      {changes.map((one) => (
        <div key={one.member}>
          <dt>{one.member}</dt>
          <dd>
            <ChangeValue before={one.before} after={one.after} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
