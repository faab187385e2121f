'use strict';
// What of a call's arguments enters the name of its effect. The engine has the same in C++
// (src/workflow/step_id.cc); here localeCompare itself puts members in order.
const { createHash } = require('node:crypto');

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

function shapeOf(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value === 'object') return mapMembers(value, shapeOf);
  return typeof value;
}

const byLocale = (a, b) => a.localeCompare(b);
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function byteSorted(value) {
  if (Array.isArray(value)) return value.map(byteSorted);
  if (value !== null && typeof value === 'object') return mapMembers(value, byteSorted, byBytes);
  return value;
}

function mapMembers(object, change, order = byLocale) {
  const names = Object.keys(object).sort(order);
  return Object.fromEntries(names.map((name) => [name, change(object[name])]));
}

// As JSON has it: no undefined members, dates as texts.
function plain(value) {
  const text = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(text);
}

function shapeHash(args) {
  const shape = args === undefined ? 'undefined' : shapeOf(args);
  return sha256(JSON.stringify(shape)).slice(0, 12);
}

function argumentsHash(args) {
  return sha256(args === undefined ? 'undefined' : JSON.stringify(byteSorted(args)));
}

function slug(text, fallback) {
  const result = String(text ?? '').trim().toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '');
  return result || fallback;
}

module.exports = { argumentsHash, plain, sha256, shapeHash, slug };
