'use strict';
// The errors that a process can see.

class EffectCancelledError extends Error {
  constructor(message) {
    super(message);
    this.name = 'EffectCancelledError';
  }
}

class EffectTimeoutError extends Error {
  constructor(message) {
    super(message);
    this.name = 'EffectTimeoutError';
  }
}

// Ends the run where it stands; user code that catches everything should let it pass, but the run
// ends all the same.
class HaltError extends Error {
  constructor(reason) {
    super(reason);
    this.name = 'HaltError';
  }
}

// What a recorded error was, as far as JSON holds it.
function rehydrate(record) {
  const source = record && typeof record === 'object' ? record : { message: String(record) };
  if (source.name === 'EffectCancelledError') return new EffectCancelledError(source.message);
  const error = new Error(source.message ?? 'Task reported failure');
  if (source.name) error.name = source.name;
  if (source.stack) error.stack = source.stack;
  if (source.data !== undefined) error.data = source.data;
  return error;
}

function serialize(error) {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const record = { name: error.name, message: error.message, stack: error.stack };
  if (error.data !== undefined) record.data = error.data;
  return record;
}

module.exports = { EffectCancelledError, EffectTimeoutError, HaltError, rehydrate, serialize };
