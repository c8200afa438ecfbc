// Starting a charm, and how large it is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { DIST, medianOf, unpacked, type Figure } from './figures.ts';

const RUNS = 21;
const MEGABYTE = 1024 * 1024;

/** `dispatch` beside a Node that runs an empty file. */
export async function startFigures(): Promise<readonly Figure[]> {
  const work = await mkdtemp(join(tmpdir(), 'bench-start-'));
  try {
    const dispatch = join(await unpacked('reader', join(work, 'reader')), 'dispatch');
    const empty = join(work, 'empty.js');
    await writeFile(empty, '');
    const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
    for (let run = 0; run < RUNS; run += 1) {
      // Without Juju's environment it says so, and ends.
      times.ours.push(await timeOf(dispatch, []));
      times.theirs.push(await timeOf(process.execPath, [empty]));
    }
    const [own, other] = [medianOf(times.ours), medianOf(times.theirs)];
    return [
      {
        what: 'starting dispatch',
        ours: `${own.toFixed(0)} ms`,
        theirs: `${other.toFixed(0)} ms (an empty Node)`,
        ratio: own / other,
        goal: 2,
      },
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function timeOf(program: string, args: readonly string[]): Promise<number> {
  const start = performance.now();
  await once(spawn(program, args, { stdio: 'ignore', env: {} }), 'exit');
  return performance.now() - start;
}

/** Each charm that `npm run build` has made: the zip, and what it consists of once it is unpacked. */
export async function sizeFigures(): Promise<readonly Figure[]> {
  const charms = (await readdir(DIST)).filter((name) => /^[a-z-]+\.charm$/.test(name)).sort();
  return Promise.all(charms.map((name) => sizeOf(name.replace('.charm', ''))));
}

async function sizeOf(charm: string): Promise<Figure> {
  const work = await mkdtemp(join(tmpdir(), 'bench-size-'));
  try {
    const folder = await unpacked(charm, work);
    const zip = await stat(join(DIST, `${charm}.charm`));
    const dispatch = await readFile(join(folder, 'dispatch'));
    const library = (await stat(join(folder, 'lib/libatomic.so.1'))).size;
    const own = ownPart(dispatch);
    const text = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
    const packed = zipSync({ own: [own, { level: 6 }] }).length;
    return {
      what: `the charm ${charm}`,
      ours: `${text(zip.size)} zip, of which ${text(packed)} its own; ${text(dispatch.length + library)} unpacked: Node ${text(dispatch.length - own.length)}, the charm and its snapshot ${text(own.length)}, libatomic ${text(library)}`,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What was added to Node: the note that Node looks for, up to the end of its segment. */
function ownPart(dispatch: Buffer): Buffer {
  const programHeaders = Number(dispatch.readBigUInt64LE(32));
  const [size, count] = [dispatch.readUInt16LE(54), dispatch.readUInt16LE(56)];
  const PT_NOTE = 4;
  const notes = Array.from({ length: count }, (_, index) => programHeaders + index * size)
    .filter((at) => dispatch.readUInt32LE(at) === PT_NOTE)
    .map((at) => {
      const start = Number(dispatch.readBigUInt64LE(at + 8));
      return dispatch.subarray(start, start + Number(dispatch.readBigUInt64LE(at + 32)));
    });
  const largest = notes.toSorted((a, b) => b.length - a.length)[0];
  if (!largest) throw new Error('a dispatch without its charm');
  return largest;
}
