// A client of the lab: node client.ts <url> <timeout in ms>. It starts a GET every 20 ms, each over a connection of
// its own, however long the others take; when its input ends it waits for those under way and prints what it saw as JSON.
import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL = 20;
const [url = '', timeout = '5000'] = process.argv.slice(2);
const answered: number[] = [];
const failures: string[] = [];
let started = 0;
const open = new Set<object>();

function ask(): void {
  started += 1;
  const question = {};
  open.add(question);
  const done = (failure?: string): void => {
    if (!open.delete(question)) return;
    if (failure === undefined) answered.push(performance.now());
    else failures.push(failure);
  };
  const { get } = url.startsWith('https:') ? https : http;
  const options = { agent: false, timeout: Number(timeout), rejectUnauthorized: false };
  const request = get(url, options, (response) => {
    response.resume();
    response.on('end', () => done(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
    response.on('error', (error) => done(error.message));
  });
  request.on('timeout', () => request.destroy(new Error('no answer')));
  request.on('error', (error) => done(error.message));
}

const begin = performance.now();
const timer = setInterval(ask, INTERVAL);
process.stdin.resume().on('end', () => {
  clearInterval(timer);
  void report();
});

async function report(): Promise<void> {
  const deadline = performance.now() + Number(timeout);
  const end = performance.now();
  while (open.size > 0 && performance.now() < deadline) await sleep(10);
  const marks = [begin, ...answered.filter((time) => time <= end), end].toSorted((a, b) => a - b);
  const gap = Math.max(...marks.slice(1).map((mark, index) => mark - (marks[index] ?? mark)));
  const kinds = [...new Set(failures)].slice(0, 5);
  process.stdout.write(
    JSON.stringify({ started, failed: started - answered.length, gap: Math.round(gap), kinds }),
  );
  process.exit();
}
