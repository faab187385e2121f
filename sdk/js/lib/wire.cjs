'use strict';
// One JSON value a line, both ways, without the event loop: while the host waits for the engine,
// nothing of the process may run.
const fs = require('node:fs');

class Wire {
  constructor(input, output) {
    this.input = input;
    this.output = output;
    this.buffer = Buffer.alloc(1 << 16);
    this.pending = [];
    this.rest = Buffer.alloc(0);
  }

  write(message) {
    const bytes = Buffer.from(JSON.stringify(message) + '\n');
    for (let at = 0; at < bytes.length;) at += this.again(() => fs.writeSync(this.output, bytes, at));
  }

  // undefined: the engine is gone.
  read() {
    for (;;) {
      const end = this.rest.indexOf(10);
      if (end >= 0) {
        const line = this.rest.subarray(0, end);
        this.rest = this.rest.subarray(end + 1);
        return JSON.parse(line.toString('utf8'));
      }
      const parts = [this.rest];
      for (let whole = false; !whole;) {
        const got = this.again(() => fs.readSync(this.input, this.buffer, 0, this.buffer.length, null));
        if (got === 0) return undefined;
        const part = Buffer.from(this.buffer.subarray(0, got));
        whole = part.indexOf(10) >= 0;
        parts.push(part);
      }
      this.rest = Buffer.concat(parts);
    }
  }

  ask(message) {
    this.write(message);
    return this.read();
  }

  again(act) {
    for (;;) {
      try {
        return act();
      } catch (error) {
        if (error.code !== 'EAGAIN' && error.code !== 'EINTR') throw error;
      }
    }
  }
}

module.exports = { Wire };
