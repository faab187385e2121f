// BullMQ as bench/bullmq.h drives it: one request a line on stdin, one answer a line on stdout.
//   {"op":"rest"}                               no job is taken up until the next request that works
//   {"op":"enqueue","clients":16,"count":1000}  adds, as many in flight as there are clients
//   {"op":"drain","clients":16}                 one worker of that concurrency, until none is left
//   {"op":"cycle","clients":16,"count":1000}    each client adds and waits until its job is done
//   {"op":"pickups","count":300,"pause_ms":2}   times from the add to the start of the job, in ms
// Jobs have a payload of 150 bytes and are removed once they are done.
'use strict';

const {Queue, Worker} = require('bullmq');
const readline = require('readline');

const connection = {path: process.argv[2], maxRetriesPerRequest: null};
const options = {removeOnComplete: true, removeOnFail: true};
const payload = {body: 'x'.repeat(150)};

const queue = new Queue('bench', {connection});
let added = 0;
let done = 0;
let failure = null;
let onDone = () => {};
let onStart = () => {};

let worker = null;

async function makeWorker() {
  worker = new Worker('bench', async (job) => onStart(job), {connection, autorun: false});
  worker.on('completed', (job) => {
    ++done;
    onDone(job);
  });
  worker.on('failed', (job, error) => (failure = error));
  worker.on('error', (error) => (failure = error));
  await worker.waitUntilReady();
}

async function add() {
  const job = await queue.add('job', payload, options);
  ++added;
  return job.id;
}

// `count` calls of `step`, `clients` of them at a time.
async function eachClient(clients, count, step) {
  let left = count;
  const client = async () => {
    while (left-- > 0) await step();
  };
  await Promise.all(Array.from({length: clients}, client));
}

function work(clients) {
  worker.concurrency = clients;
  if (!worker.isRunning()) worker.run().catch((error) => (failure = error));
}

// From here on nothing is taken up until the next request that works.
async function rest() {
  if (!worker.isRunning()) return;
  await worker.close();
  await makeWorker();
}

async function enqueue({clients, count}) {
  await eachClient(clients, count, add);
}

async function drain({clients}) {
  const empty = new Promise((resolve) => {
    onDone = () => done >= added && resolve();
  });
  work(clients);
  onDone();
  await empty;
}

async function cycle({clients, count}) {
  const waiting = new Map();
  const early = new Set();
  onDone = (job) => {
    const resolve = waiting.get(job.id);
    if (resolve === undefined) early.add(job.id);
    else if (waiting.delete(job.id)) resolve();
  };
  work(clients);
  await eachClient(clients, count, async () => {
    const id = await add();
    if (early.delete(id)) return;
    await new Promise((resolve) => waiting.set(id, resolve));
  });
}

async function pickups({count, pause_ms}) {
  const times = [];
  for (let i = 0; i < count; ++i) {
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
    let sent = 0n;
    const started = new Promise((resolve) => {
      onStart = () => {
        times.push(Number(process.hrtime.bigint() - sent) / 1e6);
        resolve();
      };
    });
    const finished = new Promise((resolve) => (onDone = resolve));
    work(1);
    sent = process.hrtime.bigint();
    await add();
    await started;
    await finished;
  }
  onStart = () => {};
  return times;
}

const operations = {rest, enqueue, drain, cycle, pickups};

async function main() {
  await queue.waitUntilReady();
  await makeWorker();
  console.log('{"ok":true}');
  for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    const times = await operations[request.op](request);
    if (failure !== null) throw failure;
    console.log(JSON.stringify({ok: true, times: times ?? []}));
  }
  process.exit(0);
}

main().catch((error) => {
  console.log(JSON.stringify({ok: false, error: String(error)}));
  process.exit(1);
});
