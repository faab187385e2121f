// The controls of the form, one for each kind of field.
import type { ComponentChildren } from 'preact';

import type { Field } from './fields';
import type { Grant, Mount, Pair, Tools, Value } from './form_state';

interface Props {
  field: Field;
  value: Value;
  problem: string | undefined;
  fixed: boolean;
  change: (value: Value) => void;
}

export const control_id = (path: string): string => `field-${path.replace('.', '-')}`;

const described = (field: Field, problem: string | undefined): string => {
  const id = control_id(field.path);
  return problem === undefined ? `${id}-help` : `${id}-problem ${id}-help`;
};

export function FieldControl(props: Props) {
  const { field, problem } = props;
  const id = control_id(field.path);
  const many = field.control === 'pairs' || field.control === 'mounts' || field.control === 'grants' || field.control === 'tools';
  const under = (
    <>
      {problem !== undefined && (
        <p class="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
      <p class="help" id={`${id}-help`}>
        {field.help}
      </p>
    </>
  );
  if (many)
    return (
      <fieldset class={`field ${field.wide ? 'wide' : ''}`} id={id} tabIndex={-1} aria-describedby={described(field, problem)}>
        <legend class="field-label">{field.label}</legend>
        <Many {...props} />
        {under}
      </fieldset>
    );
  if (field.control === 'flag')
    return (
      <div class={`field flag ${field.wide ? 'wide' : ''}`}>
        <label class="check">
          <input
            id={id}
            type="checkbox"
            checked={props.value === true}
            aria-describedby={described(field, problem)}
            onChange={(event) => props.change(event.currentTarget.checked)}
          />
          <span class="field-label">{field.label}</span>
        </label>
        {under}
      </div>
    );
  return (
    <div class={`field ${field.wide ? 'wide' : ''}`}>
      <label class="field-label" for={id}>
        {field.label}
      </label>
      <One {...props} />
      {under}
    </div>
  );
}

function One({ field, value, problem, fixed, change }: Props) {
  const common = {
    id: control_id(field.path),
    'aria-describedby': described(field, problem),
    'aria-invalid': problem !== undefined,
    placeholder: field.example,
    spellcheck: field.control === 'area' || field.path === 'description',
    readOnly: fixed,
  };
  const text = value as string;
  if (field.control === 'choice')
    return (
      <select id={common.id} aria-describedby={common['aria-describedby']} value={text} onChange={(event) => change(event.currentTarget.value)}>
        {field.choices?.map(([one, words]) => (
          <option key={one} value={one}>
            {words}
          </option>
        ))}
      </select>
    );
  if (field.control === 'area' || field.control === 'lines')
    return (
      <textarea
        {...common}
        class={field.control === 'lines' ? 'mono' : ''}
        rows={rows_of(text, field.control === 'area' ? 6 : 3)}
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
      />
    );
  return (
    <input
      {...common}
      type="text"
      inputMode={field.control === 'number' ? 'decimal' : 'text'}
      class={field.path === 'description' ? '' : 'mono'}
      autocomplete="off"
      value={text}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

const rows_of = (text: string, least: number): number =>
  Math.min(Math.max(text.split('\n').length + 1, least), 18);

function Many(props: Props) {
  switch (props.field.control) {
    case 'pairs':
      return <Pairs {...props} />;
    case 'mounts':
      return <Mounts {...props} />;
    case 'grants':
      return <Grants {...props} />;
    default:
      return <ToolsControl {...props} />;
  }
}

function ToolsControl({ field, value, change }: Props) {
  const { only, text } = value as Tools;
  const name = control_id(field.path);
  return (
    <>
      <div class="radios">
        <label class="check">
          <input type="radio" name={name} checked={!only} onChange={() => change({ only: false, text })} />
          <span>the server’s</span>
        </label>
        <label class="check">
          <input type="radio" name={name} checked={only} onChange={() => change({ only: true, text })} />
          <span>only these</span>
        </label>
      </div>
      {only && (
        <textarea
          class="mono"
          aria-label={`${field.label}, one a line`}
          spellcheck={false}
          placeholder={field.example}
          rows={rows_of(text, 3)}
          value={text}
          onInput={(event) => change({ only, text: event.currentTarget.value })}
        />
      )}
    </>
  );
}

interface ItemsProps<Item> {
  items: Item[];
  empty: Item;
  what: string;
  change: (items: Item[]) => void;
  row: (item: Item, set: (item: Item) => void, number: number) => ComponentChildren;
}

function Items<Item>({ items, empty, what, change, row }: ItemsProps<Item>) {
  return (
    <div class="items">
      {items.map((item, i) => (
        <div class="item" key={i}>
          {row(item, (next) => change(items.map((one, j) => (i === j ? next : one))), i + 1)}
          <button
            type="button"
            class="quiet"
            aria-label={`Remove ${what} ${i + 1}`}
            onClick={() => change(items.filter((_, j) => i !== j))}
          >
            ✕
          </button>
        </div>
      ))}
      <button type="button" class="small" onClick={() => change([...items, empty])}>
        Add {what}
      </button>
    </div>
  );
}

interface CellProps {
  label: string;
  value: string;
  example?: string;
  change: (text: string) => void;
}

function Cell({ label, value, example, change }: CellProps) {
  return (
    <input
      type="text"
      class="mono"
      aria-label={label}
      placeholder={example ?? ''}
      autocomplete="off"
      spellcheck={false}
      value={value}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

function Pairs({ field, value, change }: Props) {
  const what = field.path === 'env' ? 'variable' : 'label';
  return (
    <Items<Pair>
      items={value as Pair[]}
      empty={{ name: '', value: '' }}
      what={what}
      change={change}
      row={(pair, set, number) => (
        <>
          <Cell label={`Name of ${what} ${number}`} example={what === 'label' ? 'gpu' : 'NAME'} value={pair.name} change={(name) => set({ ...pair, name })} />
          <Cell label={`Value of ${what} ${number}`} value={pair.value} change={(text) => set({ ...pair, value: text })} />
        </>
      )}
    />
  );
}

function Mounts({ value, change }: Props) {
  return (
    <Items<Mount>
      items={value as Mount[]}
      empty={{ source: '', path: '', mode: '' }}
      what="mount"
      change={change}
      row={(mount, set, number) => (
        <>
          <Cell label={`Folder of mount ${number}`} example="/srv/data" value={mount.source} change={(source) => set({ ...mount, source })} />
          <Cell label={`Place inside of mount ${number}`} example="/data" value={mount.path} change={(path) => set({ ...mount, path })} />
          <select aria-label={`Rights of mount ${number}`} value={mount.mode} onChange={(event) => set({ ...mount, mode: event.currentTarget.value })}>
            <option value="">read-only (usual)</option>
            <option value="ro">ro</option>
            <option value="rw">rw</option>
          </select>
        </>
      )}
    />
  );
}

function Grants({ value, change }: Props) {
  return (
    <Items<Grant>
      items={value as Grant[]}
      empty={{ server: '', only: false, tools: '', approve: '' }}
      what="MCP server"
      change={change}
      row={(grant, set, number) => (
        <div class="grant">
          <Cell label={`Name of MCP server ${number}`} example="tickets" value={grant.server} change={(server) => set({ ...grant, server })} />
          <label class="check">
            <input type="checkbox" checked={grant.only} onChange={(event) => set({ ...grant, only: event.currentTarget.checked })} />
            <span>only these tools</span>
          </label>
          {grant.only && (
            <textarea class="mono" rows={3} aria-label={`Tools of MCP server ${number}, one a line`} value={grant.tools} onInput={(event) => set({ ...grant, tools: event.currentTarget.value })} />
          )}
          <label class="field-label small-label">
            <span>A person approves each call of (* : all)</span>
            <textarea class="mono" rows={2} value={grant.approve} onInput={(event) => set({ ...grant, approve: event.currentTarget.value })} />
          </label>
        </div>
      )}
    />
  );
}
