// A client of the database, as MAAS is one: it writes a number, and the next once that was acknowledged, and connects anew
// when its connection breaks. It says each number that was acknowledged, and when.   node writer.ts <url>
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

const PACE = 20;

let number = 0;
for (;;) {
  const client = new Client({ connectionString: process.argv[2], query_timeout: 60_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    for (;;) {
      number += 1;
      await client.query('INSERT INTO written (number) VALUES ($1)', [number]);
      console.log(`${number} ${Date.now()}`);
      await sleep(PACE);
    }
  } catch {
    client.end().catch(() => undefined);
    await sleep(PACE);
  }
}
