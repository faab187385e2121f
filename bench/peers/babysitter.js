// The babysitter SDK with its process in memory, as far as it has that, for `drover-bench replay`:
// iterate, post the one effect that waits, and again.
//   node babysitter.js SDK-FOLDER RUN-FOLDER MS-MAX
// ends with the run, or once MS-MAX have gone by, and prints {"steps","ms"}. The first iterate of a
// run that has a past is its replay, and not counted.
'use strict';

const {performance} = require('perf_hooks');
const {readdirSync} = require('fs');
const [sdkFolder, runDir, msMax] = process.argv.slice(2);
const {commitEffectResult, orchestrateIteration} = require(sdkFolder);

async function main() {
  const hasPast = readdirSync(`${runDir}/tasks`).length > 0;
  let start = performance.now();
  let steps = 0;
  let iterated = await orchestrateIteration({runDir});
  if (hasPast) start = performance.now();
  while (iterated.status === 'waiting' && performance.now() - start < Number(msMax)) {
    for (const {effectId} of iterated.nextActions) {
      await commitEffectResult({runDir, effectId, result: {status: 'ok', value: {v: 1}}});
      ++steps;
    }
    iterated = await orchestrateIteration({runDir});
  }
  if (iterated.status === 'failed') throw new Error(`the run failed: ${JSON.stringify(iterated.error)}`);
  console.log(JSON.stringify({steps, ms: performance.now() - start}));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
