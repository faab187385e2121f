// TypeScript types of the API, from its OpenAPI document: what the page believes of the server is
// checked against what the server says of itself, with every build.

const name_of = (reference) => reference.slice(reference.lastIndexOf('/') + 1);
const quoted = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

function object_type(schema) {
  const needed = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties ?? {}).map(
    ([name, member]) => `${quoted(name)}${needed.has(name) ? '' : '?'}: ${type_of(member)}`);
  const others = schema.additionalProperties;
  if (members.length > 0) return `{ ${members.join('; ')} }`;
  if (others === false) return 'Record<string, never>';
  return `Record<string, ${typeof others === 'object' ? type_of(others) : 'unknown'}>`;
}

function of_kind(kind, schema) {
  switch (kind) {
    case 'object': return object_type(schema);
    case 'array': return `(${schema.items ? type_of(schema.items) : 'unknown'})[]`;
    case 'integer':
    case 'number': return 'number';
    case 'string':
    case 'boolean':
    case 'null': return kind;
    default: throw new Error(`openapi.json: there is no type ${kind}`);
  }
}

export function type_of(schema) {
  if (schema === true || schema === undefined) return 'unknown';
  if (schema.$ref) return name_of(schema.$ref);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.oneOf ?? (schema.type ? undefined : schema.anyOf);
  if (choices) return choices.map((choice) => `(${type_of(choice)})`).join(' | ');
  if (!schema.type && schema.allOf)
    return schema.allOf.map((part) => `(${type_of(part)})`).join(' & ');
  if (!schema.type) return schema.properties ? object_type(schema) : 'unknown';
  const kinds = [schema.type].flat();
  return kinds.map((kind) => of_kind(kind, schema)).join(' | ');
}

// What `place` ("path", "query") takes of an operation.
function parameters_type(document, item, operation, place) {
  const all = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(
    (one) => (one.$ref ? document.components.parameters[name_of(one.$ref)] : one));
  const mine = all.filter((one) => one.in === place);
  if (mine.length === 0) return 'undefined';
  return `{ ${mine.map((one) => `${quoted(one.name)}${one.required ? '' : '?'}: ${type_of(one.schema)}`).join('; ')} }`;
}

const json_of = (content) => content?.['application/json']?.schema;

function reply_type(operation) {
  const types = Object.entries(operation.responses)
    .filter(([status]) => status.startsWith('2'))
    .map(([, reply]) => (json_of(reply.content) ? type_of(json_of(reply.content)) : 'undefined'));
  return [...new Set(types)].join(' | ') || 'undefined';
}

export function api_types(document) {
  const lines = ['// Written by web/build/api_types.mjs from src/api/openapi.json.', ''];
  for (const [name, schema] of Object.entries(document.components.schemas))
    lines.push(`export type ${name} = ${type_of(schema)};`);
  lines.push('', 'export interface Operations {');
  for (const [path, item] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(item)) {
      if (!operation.operationId) continue;
      const body = json_of(operation.requestBody?.content);
      const ask = [
        ['path', parameters_type(document, item, operation, 'path')],
        ['query', parameters_type(document, item, operation, 'query')],
        ['body', body ? type_of(body) : 'undefined'],
      ].filter(([, type]) => type !== 'undefined');
      const members = ask.map(([name, type]) => `${name}${name === 'query' ? '?' : ''}: ${type}`);
      lines.push(`  ${JSON.stringify(`${method.toUpperCase()} ${path}`)}: {`,
        `    ask: { ${members.join('; ')} };`,
        `    reply: ${reply_type(operation)};`,
        '  };');
    }
  lines.push('}', '');
  return lines.join('\n');
}

// The schema of an agent with all that it refers to in place, for its form.
export function resolved(document, schema) {
  if (Array.isArray(schema)) return schema.map((part) => resolved(document, part));
  if (schema === null || typeof schema !== 'object') return schema;
  const { $ref: reference, ...own } = schema;
  const base = reference ? resolved(document, document.components.schemas[name_of(reference)]) : {};
  const rest = Object.fromEntries(
    Object.entries(own).map(([name, part]) => [name, resolved(document, part)]));
  return { ...base, ...rest };
}
