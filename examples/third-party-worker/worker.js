// A third-party worker in its smallest form: docs/third-party-workers.md.
// npm install ioredis; then node worker.js with what `drover sessions env SESSION` prints as its
// environment.
const fs = require('node:fs');
const Redis = require('ioredis');

const { REDIS_URL, DROVER_UNIT_IN_TOPIC: inbox, DROVER_UNIT_OUT_TOPIC: outbox } = process.env;
const folder = JSON.parse(process.env.DROVER_MOUNTS).find((mount) => mount.primary).path;
const redis = new Redis(REDIS_URL, { enableReadyCheck: false });
redis.on('error', (error) => console.error(error.message));

const say = (event, id = '*') => redis.xadd(outbox, id, 'event', JSON.stringify(event));

async function work(turn, id) {
  const turn_id = turn.turn_id;
  try {
    await say({ type: 'turn-accepted', turn_id, nonce: turn.nonce }, id);
  } catch {
    return; // another program has the turn
  }
  const answer = await fetch(`${process.env.ANTHROPIC_BASE_URL}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': process.env.ANTHROPIC_AUTH_TOKEN },
    body: JSON.stringify({
      model: turn.model,
      max_tokens: 1000,
      messages: [{ role: 'user', content: turn.prompt }],
    }),
  });
  const reply = await answer.json();
  const text = reply.content?.[0]?.text ?? reply.error?.message ?? 'no answer';
  fs.writeFileSync(`${folder}/answer.md`, `${text}\n`);
  await say({ type: 'message-delta', turn_id, text });
  await say({ type: 'done', turn_id, ok: answer.ok, reply: text, sessionId: process.env.DROVER_CHAT_SESSION });
}

(async () => {
  for (let last = '0'; ; ) {
    const read = await redis.xread('COUNT', 1, 'BLOCK', 0, 'STREAMS', inbox, last);
    const [id, fields] = read[0][1][0];
    last = id;
    const turn = JSON.parse(fields[1]);
    if (turn.type === 'stop') process.exit(0);
    if (turn.type === 'message') await work(turn, id);
  }
})();
