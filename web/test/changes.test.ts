import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changes_between, clashes, combined, type Definition, line_changes, same } from '../src/agents/changes';
import { random_definition, random_of } from './random';

test('a change names its member, and what was and is', () => {
  const before = { name: 'a', limits: { cpu: 1, pids: 9 }, tools: ['Read'] };
  const after = { name: 'a', limits: { cpu: 2, pids: 9 }, model: 'm', tools: ['Read', 'Bash'] };
  assert.deepEqual(changes_between(before, after), [
    { member: 'limits.cpu', before: 1, after: 2 },
    { member: 'tools', before: ['Read'], after: ['Read', 'Bash'] },
    { member: 'model', before: undefined, after: 'm' },
  ]);
  assert.deepEqual(changes_between(before, { limits: { pids: 9, cpu: 1 }, tools: ['Read'], name: 'a' }), []);
});

test('two people’s changes are combined, and none is lost', () => {
  for (let seed = 1; seed <= 300; ++seed) {
    const random = random_of(seed);
    const [base, mine, theirs] = [random_definition(random), random_definition(random), random_definition(random)];
    const both = combined(base, mine, theirs) as Definition;
    const ours = changes_between(base, mine);
    const clashing = clashes(base, mine, theirs);
    // Each of mine is in it, and each of theirs that I did not touch.
    const value_at = (of: Definition, member: string) =>
      member.split('.').reduce<unknown>((value, name) => (value as Definition | undefined)?.[name], of);
    for (const change of ours)
      assert.deepEqual(value_at(both, change.member), change.after, `seed ${seed}: mine ${change.member}`);
    const touched = (member: string) =>
      ours.some((one) => one.member === member || one.member.startsWith(`${member}.`) || member.startsWith(`${one.member}.`));
    for (const change of changes_between(base, theirs))
      if (!touched(change.member))
        assert.deepEqual(value_at(both, change.member), change.after, `seed ${seed}: theirs ${change.member}`);
    for (const member of clashing) assert.ok(ours.some((one) => one.member === member));
  }
});

test('who changed nothing gets theirs, and the same change of both is no clash', () => {
  const base = { name: 'a', model: 'x' };
  const theirs = { name: 'a', model: 'y' };
  assert.deepEqual(combined(base, base, theirs), theirs);
  assert.deepEqual(combined(base, theirs, base), theirs);
  assert.deepEqual(clashes(base, theirs, { name: 'a', model: 'y' }), []);
  assert.deepEqual(clashes(base, theirs, { name: 'a', model: 'z' }), ['model']);
});

test('the lines of a difference give both texts', () => {
  for (let seed = 1; seed <= 200; ++seed) {
    const random = random_of(seed);
    const text = () => Array.from({ length: random(8) }, () => 'abc'[random(3)]).join('\n');
    const [before, after] = [text(), text()];
    const lines = line_changes(before, after);
    const side = (without: string) => lines.filter((one) => one.is !== without).map((one) => one.text).join('\n');
    assert.equal(side('added'), before);
    assert.equal(side('removed'), after);
    if (before === after) assert.ok(lines.every((one) => one.is === 'same'));
  }
});

test('texts that are too long to compare are still told whole', () => {
  const before = Array.from({ length: 1500 }, (_, i) => `a${i}`).join('\n');
  const lines = line_changes(before, `${before}\nb`);
  assert.equal(lines.filter((one) => one.is !== 'removed').map((one) => one.text).join('\n'), `${before}\nb`);
});

test('the order of members means nothing, that of a list does', () => {
  assert.ok(same({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }));
  assert.ok(!same([1, 2], [2, 1]));
  assert.ok(!same(undefined, null));
});
