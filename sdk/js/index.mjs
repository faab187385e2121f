// What processes import. The context itself comes from drover, as the second argument of the
// exported function `process(inputs, ctx)`.
import errors from './lib/errors.cjs';

export const { EffectCancelledError, EffectTimeoutError } = errors;

// A task: `build` describes what is asked for, once, when the effect is new.
export function defineTask(id, build, options = {}) {
  if (typeof id !== 'string' || !id) throw new TypeError('a task has an id');
  if (typeof build !== 'function') throw new TypeError(`task ${id} has a build function`);
  return Object.freeze({ id, build, ...options });
}
