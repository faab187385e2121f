// An agent as it is, in the order of its form; what it leaves to the server is not listed.
import type { RegisteredAgent } from '../../generated/api';
import type { Definition, Json } from './changes';
import { type Field, groups } from './fields';
import { form_of, type Grant, type Mount, type Pair, type Tools, type Value } from './form_state';

function shown(field: Field, value: Value): string | undefined {
  switch (field.control) {
    case 'flag':
      return value === (field.usual ?? false) ? undefined : value === true ? 'yes' : 'no';
    case 'tools': {
      const { only, text } = value as Tools;
      return only ? text || 'none' : undefined;
    }
    case 'pairs':
      return (value as Pair[]).map((pair) => `${pair.name}=${pair.value}`).join('\n') || undefined;
    case 'mounts':
      return (
        (value as Mount[]).map((one) => `${one.source} → ${one.path} (${one.mode || 'ro'})`).join('\n') ||
        undefined
      );
    case 'grants':
      return (value as Grant[]).map(grant_words).join('\n') || undefined;
    default:
      return (value as string) || undefined;
  }
}

function grant_words(grant: Grant): string {
  const tools = grant.only ? grant.tools.split('\n').join(', ') || 'no tools' : 'all tools';
  const approve = grant.approve === '' ? '' : `; a person approves ${grant.approve.split('\n').join(', ')}`;
  return `${grant.server}: ${tools}${approve}`;
}

const heading_members = new Set(['name', 'enabled']);

export function Overview({ one }: { one: RegisteredAgent }) {
  const form = form_of(one.agent as unknown as Definition as { [name: string]: Json });
  const cards = groups.map((group) => ({
    title: group.title,
    rows: group.fields
      .filter((field) => !heading_members.has(field.path))
      .map((field) => ({ field, text: shown(field, form.values[field.path] ?? '') }))
      .filter((row) => row.text !== undefined),
  }));
  const told = cards.filter((card) => card.rows.length > 0);
  return (
    <div class="cards">
      {told.map((card) => (
        <section class={`card ${card.title === 'What it is' ? 'wide' : ''}`} key={card.title}>
          <h2>{card.title}</h2>
          <dl class="facts">
            {card.rows.map(({ field, text }) => (
              <div key={field.path} class={field.path === 'prompt' ? 'prompt' : ''}>
                <dt>{field.label}</dt>
                <dd class={field.path === 'description' || field.path === 'prompt' ? '' : 'mono'}>{text}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      {form.rest !== '' && (
        <section class="card">
          <h2>Other members</h2>
          <pre class="value">{form.rest}</pre>
        </section>
      )}
      {told.length === 0 && form.rest === '' && (
        <section class="card wide">
          <p class="dim">It leaves everything to its task types and the server.</p>
        </section>
      )}
    </div>
  );
}
