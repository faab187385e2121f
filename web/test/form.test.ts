import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ApiError } from '../src/api/client';
import { fields, groups } from '../src/agents/fields';
import { definition_of, form_of } from '../src/agents/form_state';
import { problem_of } from '../src/agents/problems';
import { random_definition, random_of } from './random';

declare const WEB_FOLDER: string;

const without_touching = (seed: number) => {
  const base = random_definition(random_of(seed));
  return { base, form: form_of(base) };
};

test('every member of an agent has a control', () => {
  const schema = JSON.parse(readFileSync(`${WEB_FOLDER}/generated/agent_schema.json`, 'utf8'));
  const paths = Object.keys(schema.properties).flatMap((name) =>
    name === 'limits' ? Object.keys(schema.properties.limits.properties).map((part) => `limits.${part}`) : [name]);
  assert.deepEqual(fields.map((field) => field.path).sort(), paths.sort());
  for (const field of fields) {
    const [first = '', second] = field.path.split('.');
    const member = second ? schema.properties[first].properties[second] : schema.properties[first];
    if (field.control === 'number') assert.match(String(member.type), /integer|number/, field.path);
    if (field.control === 'flag') assert.equal(member.type, 'boolean', field.path);
    if (field.control === 'choice')
      assert.deepEqual(field.choices?.map(([value]) => value), ['', ...member.enum], field.path);
    if (field.usual !== undefined) assert.equal(member.default, field.usual, field.path);
  }
  assert.equal(new Set(groups.map((group) => group.title)).size, groups.length);
});

test('what nobody touched is stored as it was', () => {
  for (let seed = 1; seed <= 500; ++seed) {
    const { base, form } = without_touching(seed);
    const { definition, problems } = definition_of(form, base);
    assert.deepEqual(problems, [], `seed ${seed}`);
    assert.deepEqual(definition, base, `seed ${seed}`);
  }
});

test('a change of one member leaves the others', () => {
  for (let seed = 1; seed <= 500; ++seed) {
    const { base, form } = without_touching(seed);
    form.values.model = '  another ';
    form.values['limits.max_turns'] = '77';
    const { definition } = definition_of(form, base);
    assert.equal(definition.model, 'another');
    assert.deepEqual(
      { ...definition, model: base.model, limits: base.limits },
      { ...base, model: base.model, limits: base.limits },
      `seed ${seed}`);
    assert.deepEqual(definition.limits, { ...(base.limits as object), max_turns: 77 });
  }
});

test('what is emptied is left to the server', () => {
  const base = { name: 'dev', model: 'm', tools: ['Read'], env: { A: '1' }, limits: { cpu: 2 }, egress: ['a'] };
  const form = form_of(base);
  Object.assign(form.values, {
    model: ' ', tools: { only: false, text: 'Read' }, env: [], 'limits.cpu': '', egress: '\n \n',
  });
  assert.deepEqual(definition_of(form, base).definition, { name: 'dev' });
});

test('no tools at all is not the same as the server’s', () => {
  const form = form_of({ name: 'dev' });
  form.values.tools = { only: true, text: '' };
  assert.deepEqual(definition_of(form, { name: 'dev' }).definition, { name: 'dev', tools: [] });
});

test('what cannot be read is told at its field', () => {
  const form = form_of({ name: 'dev' });
  form.values['limits.cpu'] = 'many';
  form.values.env = [{ name: 'A', value: '1' }, { name: 'A', value: '2' }];
  form.rest = '[1]';
  const { problems } = definition_of(form, { name: 'dev' });
  assert.deepEqual(problems.map((one) => one.path).sort(), ['env', 'limits.cpu', 'rest']);
});

test('a member of a later server is edited as JSON', () => {
  const base = { name: 'dev', limits: { cpu: 1, of_tomorrow: 2 }, of_tomorrow: [1] };
  const form = form_of(base);
  assert.deepEqual(JSON.parse(form.rest), { limits: { of_tomorrow: 2 }, of_tomorrow: [1] });
  form.rest = '{"limits": {"of_tomorrow": 3}}';
  assert.deepEqual(definition_of(form, base).definition, { name: 'dev', limits: { cpu: 1, of_tomorrow: 3 } });
});

test('an error of the API is shown at the field it points to', () => {
  const at = (pointer: string) => problem_of(new ApiError('invalid_argument', 'no', '', pointer))?.path;
  assert.equal(at('/limits/max_turns'), 'limits.max_turns');
  assert.equal(at('/egress/3'), 'egress');
  assert.equal(at('/mcp/0/server'), 'mcp');
  assert.equal(at('/env/A B'), 'env');
  assert.equal(at(''), undefined);
  assert.equal(at('/of_tomorrow'), undefined);
});
