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

function uuidOf(next) {
  const bytes = fillBytes(next, new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([from, to]) => hex.slice(from, to)).join('-');
}

function replaceDate(now) {
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
  const replaced = new Proxy(WorkflowDate, {
    // Date() without new is a text.
    apply: () => new WorkflowDate().toString(),
  });
  globalThis.Date = replaced;
}

// Some of what is replaced is read-only in Node 18.
function replace(object, name, value) {
  Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
}

function install({ seed, now }) {
  const nodeCrypto = require('node:crypto');
  const next = seeded(seed);
  Math.random = () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  replaceDate(now);
  const start = { at: undefined };
  replace(performance, 'now', () => now() - (start.at ??= now()));
  const uuid = () => uuidOf(next);
  nodeCrypto.randomUUID = uuid;
  nodeCrypto.randomBytes = (size, done) => {
    const bytes = fillBytes(next, Buffer.alloc(size));
    return done ? done(null, bytes) : bytes;
  };
  if (globalThis.crypto === undefined) replace(globalThis, 'crypto', nodeCrypto.webcrypto);
  replace(nodeCrypto.webcrypto, 'randomUUID', uuid);
  replace(nodeCrypto.webcrypto, 'getRandomValues', (array) => fillBytes(next, array));
  require('node:module').syncBuiltinESMExports();
}

module.exports = { install, seeded, uuidOf };
