// An agent's definition as the texts of a form, and back. What nobody touched is given back as it
// was, also where the form would say it otherwise; what is typed is kept as it is typed. Pure.
import { type Definition, type Json, same } from './changes';
import { type Field, fields } from './fields';

export interface Pair {
  name: string;
  value: string;
}
export interface Mount {
  source: string;
  path: string;
  mode: string; // empty: the usual one
}
export interface Grant {
  server: string;
  only: boolean; // these tools; else all
  tools: string;
  approve: string;
}
export interface Tools {
  only: boolean; // these; else the server's
  text: string;
}

export type Value = string | boolean | Pair[] | Mount[] | Grant[] | Tools;

export interface Form {
  values: Record<string, Value>;
  rest: string; // members without a control, as JSON
}

export interface Problem {
  path: string; // of a field, or "rest"
  text: string;
}

const is_object = (value: Json | undefined): value is Definition =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text_of = (value: Json | undefined): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
const lines_of = (value: Json | undefined): string =>
  Array.isArray(value) ? value.map(text_of).join('\n') : '';
const items_of = (text: string): string[] =>
  text.split('\n').map((line) => line.trim()).filter((line) => line !== '');

function at(definition: Definition, path: string): Json | undefined {
  const [first = '', second] = path.split('.');
  const value = definition[first];
  if (second === undefined) return value;
  return is_object(value) ? value[second] : undefined;
}

function shown(field: Field, value: Json | undefined): Value {
  switch (field.control) {
    case 'flag':
      return typeof value === 'boolean' ? value : (field.usual ?? false);
    case 'lines':
      return lines_of(value);
    case 'tools':
      return { only: Array.isArray(value), text: lines_of(value) };
    case 'pairs':
      return is_object(value)
        ? Object.entries(value).map(([name, one]) => ({ name, value: text_of(one) }))
        : [];
    case 'mounts':
      return (Array.isArray(value) ? value : []).filter(is_object).map((one) => ({
        source: text_of(one.source),
        path: text_of(one.path),
        mode: text_of(one.mode),
      }));
    case 'grants':
      return (Array.isArray(value) ? value : []).filter(is_object).map((one) => ({
        server: text_of(one.server),
        only: Array.isArray(one.tools),
        tools: lines_of(one.tools),
        approve: lines_of(one.approve),
      }));
    default:
      return text_of(value);
  }
}

const controlled = new Set(fields.map((field) => field.path));

// Members, and members of members, that no field shows.
function others_of(definition: Definition): Definition {
  const others: Definition = {};
  for (const [name, value] of Object.entries(definition)) {
    if (controlled.has(name)) continue;
    const inner = fields.some((field) => field.path.startsWith(`${name}.`));
    if (!inner || !is_object(value)) {
      others[name] = value;
      continue;
    }
    const left = Object.entries(value).filter(([part]) => !controlled.has(`${name}.${part}`));
    if (left.length > 0) others[name] = Object.fromEntries(left);
  }
  return others;
}

export function form_of(definition: Definition): Form {
  const others = others_of(definition);
  return {
    values: Object.fromEntries(fields.map((field) => [field.path, shown(field, at(definition, field.path))])),
    rest: Object.keys(others).length > 0 ? JSON.stringify(others, null, 2) : '',
  };
}

const no_value = Symbol('none');
// No value of JSON, so that a variable may have any name.
class Unreadable {
  constructor(readonly text: string) {}
}
type Read = Json | typeof no_value | Unreadable;

function read(field: Field, value: Value): Read {
  switch (field.control) {
    case 'flag':
      return value as boolean;
    case 'number': {
      const text = (value as string).trim();
      if (text === '') return no_value;
      const number = Number(text);
      return Number.isFinite(number) ? number : new Unreadable(`“${text}” is no number`);
    }
    case 'lines': {
      const items = items_of(value as string);
      return items.length > 0 ? items : no_value;
    }
    case 'tools': {
      const { only, text } = value as Tools;
      return only ? items_of(text) : no_value;
    }
    case 'pairs': {
      const pairs = (value as Pair[]).filter((pair) => pair.name !== '' || pair.value !== '');
      if (pairs.length === 0) return no_value;
      const names = pairs.map((pair) => pair.name);
      const twice = names.find((name, i) => names.indexOf(name) !== i);
      if (twice !== undefined) return new Unreadable(`“${twice}” is there twice`);
      return Object.fromEntries(pairs.map((pair) => [pair.name, pair.value]));
    }
    case 'mounts': {
      const mounts = (value as Mount[]).filter((one) => one.source !== '' || one.path !== '');
      if (mounts.length === 0) return no_value;
      return mounts.map(({ source, path, mode }) => ({ source, path, ...(mode === '' ? {} : { mode }) }));
    }
    case 'grants': {
      const grants = (value as Grant[]).filter((one) => one.server !== '' || one.tools !== '' || one.approve !== '');
      if (grants.length === 0) return no_value;
      return grants.map(({ server, only, tools, approve }) => ({
        server: server.trim(),
        ...(only ? { tools: items_of(tools) } : {}),
        ...(items_of(approve).length > 0 ? { approve: items_of(approve) } : {}),
      }));
    }
    case 'area':
      return value === '' ? no_value : (value as string);
    default:
      return (value as string).trim() === '' ? no_value : (value as string).trim();
  }
}

function put(definition: Definition, path: string, value: Json | undefined): void {
  const [first = '', second] = path.split('.');
  if (second === undefined) {
    if (value !== undefined) definition[first] = value;
    return;
  }
  const inner = definition[first];
  if (value !== undefined) definition[first] = { ...(is_object(inner) ? inner : {}), [second]: value };
}

function rest_of(text: string): Definition | undefined {
  if (text.trim() === '') return {};
  try {
    const value = JSON.parse(text) as Json;
    return is_object(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export interface Reading {
  definition: Definition;
  problems: Problem[];
}

export function definition_of(form: Form, base: Definition): Reading {
  const before = form_of(base);
  const problems: Problem[] = [];
  const definition: Definition = {};
  // An object that was there and empty stays so.
  for (const [name, value] of Object.entries(base))
    if (is_object(value) && fields.some((field) => field.path.startsWith(`${name}.`)))
      if (Object.keys(value).length === 0) definition[name] = {};
  for (const field of fields) {
    const value = form.values[field.path] ?? '';
    if (same(value as unknown as Json, before.values[field.path] as unknown as Json)) {
      put(definition, field.path, at(base, field.path));
      continue;
    }
    const given = read(field, value);
    if (given === no_value) continue;
    if (given instanceof Unreadable) problems.push({ path: field.path, text: given.text });
    else put(definition, field.path, given);
  }
  const rest = form.rest === before.rest ? others_of(base) : rest_of(form.rest);
  if (!rest) problems.push({ path: 'rest', text: 'this is no JSON object' });
  for (const [name, value] of Object.entries(rest ?? {})) {
    const inner = definition[name];
    definition[name] = is_object(inner) && is_object(value) ? { ...inner, ...value } : value;
  }
  return { definition, problems };
}
