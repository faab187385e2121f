'use strict';
// Several steps at once. Thunks are started in their order, `concurrency` of them at a time; results
// keep their places. What loses a race is cancelled.

function checkThunks(name, thunks) {
  if (!Array.isArray(thunks)) throw new TypeError(`parallel.${name}() takes an array of functions`);
  thunks.forEach((thunk, index) => {
    if (typeof thunk === 'function') return;
    const hint = typeof thunk?.then === 'function' ? '; a promise was passed, wrap it: () => ctx.task(...)' : '';
    throw new TypeError(`parallel.${name}() takes functions, and element ${index} is ${typeof thunk}${hint}`);
  });
}

function limitOf(options) {
  const limit = options?.concurrency ?? options?.maxConcurrency ?? Infinity;
  if (!(limit >= 1)) throw new RangeError(`concurrency is at least 1, and ${limit} was given`);
  return limit;
}

// Starts `limit` thunks, and another whenever one settles, until it `isOver`; `started(index, promise)`
// sees each start.
function runLimited(thunks, limit, run, started, isOver = () => false) {
  let next = 0;
  const start = () => {
    if (next >= thunks.length || isOver()) return;
    const index = next++;
    const promise = run(thunks[index]);
    started(index, promise);
    promise.then(start, start);
  };
  for (let i = 0; i < limit && i < thunks.length; ++i) start();
}

// `scoped(thunk)` runs it in a scope of its own: {promise, cancel(reason)}. `startsNoMore()` says
// whether nothing is started any more after the end of a race, as it once was; journals that have such
// a start go on having it.
function makeParallel(scoped, startsNoMore) {
  // Decided once, and asked for only where something is left to start.
  const decision = () => {
    let over;
    const decided = { yet: false, isOver: () => decided.yet && (over ??= startsNoMore()) };
    return decided;
  };

  const collect = (thunks, options, settle) => new Promise((resolve, reject) => {
    const scopes = [];
    const run = (thunk) => {
      const scope = scoped(thunk);
      scopes.push(scope);
      return scope.promise;
    };
    const cancelRest = () => scopes.forEach((scope) => scope.cancel('another branch was first'));
    settle({ run, resolve, reject, cancelRest, limit: limitOf(options) });
  });

  const all = (thunks, options) => {
    checkThunks('all', thunks);
    if (thunks.length === 0) return Promise.resolve([]);
    return collect(thunks, options, ({ run, resolve, reject, limit }) => {
      const results = new Array(thunks.length);
      let left = thunks.length;
      runLimited(thunks, limit, run, (index, promise) => promise.then((value) => {
        results[index] = value;
        if (--left === 0) resolve(results);
      }, reject));
    });
  };

  const settled = (thunks, options) => {
    checkThunks('settled', thunks);
    const caught = thunks.map((thunk) => async () => {
      try {
        return { status: 'fulfilled', value: await thunk() };
      } catch (reason) {
        return { status: 'rejected', reason };
      }
    });
    return all(caught, options);
  };

  const race = (thunks, options) => {
    checkThunks('race', thunks);
    return collect(thunks, options, ({ run, resolve, reject, cancelRest, limit }) => {
      const decided = decision();
      const end = (settle) => (result) => {
        decided.yet = true;
        settle(result);
        cancelRest();
      };
      runLimited(thunks, limit, run, (index, promise) => promise.then(end(resolve), end(reject)), decided.isOver);
    });
  };

  const any = (thunks, options) => {
    checkThunks('any', thunks);
    return collect(thunks, options, ({ run, resolve, reject, cancelRest, limit }) => {
      const errors = new Array(thunks.length);
      let left = thunks.length;
      const decided = decision();
      if (left === 0) reject(new AggregateError([], 'parallel.any() of nothing'));
      runLimited(thunks, limit, run, (index, promise) => promise.then(
        (value) => {
          decided.yet = true;
          resolve(value);
          cancelRest();
        },
        (error) => {
          errors[index] = error;
          if (--left === 0) reject(new AggregateError(errors, 'every branch failed'));
        },
      ), decided.isOver);
    });
  };

  const map = (items, fn, options) =>
    all([...items].map((item, index) => () => fn(item, index)), options);

  return { all, map, race, any, settled };
}

module.exports = { makeParallel };
