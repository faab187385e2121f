'use strict';
// What a process in a sandbox cannot have, said in a sentence instead of an error of the network.
// The wall is the sandbox; this only speaks for it.

class NoNetworkError extends Error {
  constructor(what) {
    super(`${what}: a process has no network; what it wants of the world it asks for through its context, ` +
      'as a task that an agent, a command or a person carries out');
    this.name = 'NoNetworkError';
  }
}

function refuse(object, name, what) {
  object[name] = () => {
    throw new NoNetworkError(what);
  };
}

function install() {
  const { syncBuiltinESMExports } = require('node:module');
  globalThis.fetch = async () => {
    throw new NoNetworkError('fetch()');
  };
  // Every client of the standard library ends here.
  refuse(require('node:net').Socket.prototype, 'connect', 'a connection');
  refuse(require('node:dgram'), 'createSocket', 'a socket');
  syncBuiltinESMExports();
}

module.exports = { NoNetworkError, install };
