'use strict';
// Clock and randomness of the process, replaced by ones that are the same in every replay. Time is
// that of the last thing which the run learned; the first look at it, before it learned anything, is
// recorded. Randomness is drawn from a seed of the run.

function seeded(seedHex) {
  // sfc32, seeded with 128 bits.
  let [a, b, c, d] = [0, 8, 16, 24].map((at) => parseInt(seedHex.slice(at, at + 8), 16) | 0);
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; ++i) next();
  return next;
}

function fillBytes(next, array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let i = 0; i < bytes.length; ++i) bytes[i] = next() & 0xff;
  return array;
}

// A whole number from `low` below `high`.
function integerOf(next, low, high) {
  const range = high - low;
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || !(range > 0 && range <= 2 ** 48 - 1))
    throw new RangeError(`randomInt() takes whole numbers, the lower first, and got ${low} and ${high}`);
  return low + Math.floor(fractionOf(next) * range);
}

const fractionOf = (next) => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;

function uuidOf(next) {
  const bytes = fillBytes(next, new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([from, to]) => hex.slice(from, to)).join('-');
}

function dateOf(now) {
  const Real = Date;
  class WorkflowDate extends Real {
    constructor(...args) {
      if (args.length === 0) super(now());
      else super(...args);
    }
    static now() {
      return now();
    }
  }
  return new Proxy(WorkflowDate, {
    // Date() without new is a text.
    apply: () => new WorkflowDate().toString(),
  });
}

// Some of what is replaced is read-only in Node 18. Returns what puts it back.
function replace(object, name, value) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
  return () => {
    if (before) Object.defineProperty(object, name, before);
    else delete object[name];
  };
}

// Clock and randomness of one process: install() puts them in the place of the machine's and returns
// what puts those back.
function makeMachine({ seed, now }) {
  const next = seeded(seed);
  const start = { at: undefined };
  const uuid = () => uuidOf(next);
  const randomBytes = (size, done) => {
    const bytes = fillBytes(next, Buffer.alloc(size));
    return done ? done(null, bytes) : bytes;
  };
  const randomInt = (...given) => {
    const done = typeof given.at(-1) === 'function' ? given.pop() : undefined;
    const [low, high] = given.length > 1 ? given : [0, given[0]];
    const value = integerOf(next, low, high);
    return done ? void process.nextTick(done, null, value) : value;
  };
  const randomFillSync = (buffer, offset = 0, size = undefined) => {
    const bytes = buffer instanceof ArrayBuffer || buffer instanceof SharedArrayBuffer ? new Uint8Array(buffer)
      : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    const unit = buffer.BYTES_PER_ELEMENT ?? 1;
    fillBytes(next, bytes.subarray(offset * unit, size === undefined ? undefined : (offset + size) * unit));
    return buffer;
  };
  const randomFill = (buffer, ...rest) => {
    const done = rest.pop();
    process.nextTick(done, null, randomFillSync(buffer, ...rest));
  };
  const since = () => now() - (start.at ??= now());
  const hrtime = (before = [0, 0]) => {
    const ms = since() - before[0] * 1000 - before[1] / 1e6;
    return [Math.floor(ms / 1000), Math.round((ms - Math.floor(ms / 1000) * 1000) * 1e6)];
  };
  hrtime.bigint = () => BigInt(Math.round(since())) * 1_000_000n;
  const install = () => {
    const nodeCrypto = require('node:crypto');
    const { syncBuiltinESMExports } = require('node:module');
    const undo = [
      replace(Math, 'random', () => fractionOf(next)),
      replace(globalThis, 'Date', dateOf(now)),
      replace(performance, 'now', since),
      replace(process, 'hrtime', hrtime),
      replace(process, 'uptime', () => since() / 1000),
      replace(nodeCrypto, 'randomUUID', uuid),
      replace(nodeCrypto, 'randomBytes', randomBytes),
      replace(nodeCrypto, 'randomInt', randomInt),
      replace(nodeCrypto, 'randomFillSync', randomFillSync),
      replace(nodeCrypto, 'randomFill', randomFill),
    ];
    if (globalThis.crypto === undefined) undo.push(replace(globalThis, 'crypto', nodeCrypto.webcrypto));
    undo.push(
      replace(nodeCrypto.webcrypto, 'randomUUID', uuid),
      replace(nodeCrypto.webcrypto, 'getRandomValues', (array) => fillBytes(next, array)),
    );
    syncBuiltinESMExports();
    return () => {
      for (const back of undo.reverse()) back();
      syncBuiltinESMExports();
    };
  };
  return { install };
}

const install = (given) => makeMachine(given).install();

module.exports = { install, makeMachine, seeded, uuidOf };
