import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Charmcraft } from '../charmcraft.ts';
import { checkConsistency } from './consistency.ts';
import { environmentOf } from './environment.ts';
import { FakeJuju, toolNames, type Answer } from './juju.ts';
import { outcomeOf, type TestUnit } from './run.ts';

/**
 * A hook tool under whatever name it is called. In Perl, which every Debian and Ubuntu has and which starts at once:
 * without modules, so the address of the socket is packed by hand (family 1 is AF_UNIX, type 1 SOCK_STREAM).
 */
const CLIENT = `#!/usr/bin/perl
my ($tool) = $0 =~ m{([^/]+)$};
my $stdin = '';
if (grep { $_ eq '--file' || $_ eq '--file=-' } @ARGV) { local $/; $stdin = <STDIN> // ''; }
my $socket;
socket($socket, 1, 1, 0) && connect($socket, pack('S a108', 1, $ENV{JUJU_AGENT_SOCKET_ADDRESS}))
    or die "ERROR no Juju here: $!\\n";
syswrite $socket, join '', map { pack('N/a*', $_) } (scalar(@ARGV) + 2, $tool, $stdin, @ARGV);
shutdown($socket, 1);
my $answer = do { local $/; <$socket> };
die "ERROR Juju went away\\n" unless defined $answer && length $answer;
my ($code, $out, $err) = unpack('N N/a* N/a*', $answer);
print STDOUT $out;
print STDERR $err;
exit $code;
`;

/** How to run a built charm. */
export interface BuiltOptions {
  /** The charm's folder, which is its working directory; if absent, an empty folder for each run. */
  readonly charmDirectory?: string;
  /** Awaited before each tool answers, to stand for the time that the tool takes. */
  readonly delay?: (tool: string) => Promise<void>;
  /** Gets the id of the process, so that a test can send it a signal. */
  readonly onStart?: (pid: number) => void;
}

/**
 * A unit that runs the built program as Juju does: in Juju's environment and nothing else, with the hook tools as
 * executables on PATH. It changes the real machine: use it only if the charm does not change the machine in this
 * state.
 *
 * @param command `dispatch` with its absolute path, or a Node and the bundled file
 */
export function builtCharm<C extends Charmcraft>(
  charmcraft: C,
  command: readonly [string, ...string[]],
  options: BuiltOptions = {},
): TestUnit<C> {
  return {
    async run(event, state) {
      checkConsistency(charmcraft, state, event);
      const juju = new FakeJuju(charmcraft, state, event);
      const folder = await mkdtemp(join(tmpdir(), 'juju-tools-'));
      const charmDirectory = options.charmDirectory ?? join(folder, 'charm');
      await mkdir(charmDirectory, { recursive: true });
      const tools = join(folder, 'tools');
      await putTools(tools, toolNames(state.jujuVersion));
      const [program, ...args] = command;
      const socket = join(folder, 'agent.socket');
      let pid: number | undefined;
      const server = await listen(socket, async (tool, toolArgs, stdin) => {
        await options.delay?.(tool);
        const answer = juju.answer(tool, toolArgs, stdin);
        if (juju.reboot === 'now' && pid !== undefined) process.kill(pid, 'SIGKILL');
        return answer;
      });
      try {
        const start = performance.now();
        const child = spawn(program, args, {
          cwd: charmDirectory,
          env: {
            ...environmentOf(state, event, charmDirectory),
            JUJU_AGENT_SOCKET_ADDRESS: socket,
            JUJU_AGENT_SOCKET_NETWORK: 'unix',
            PATH: `${tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const ended = once(child, 'close');
        ({ pid } = child);
        if (pid !== undefined) options.onStart?.(pid);
        const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
        await ended;
        const milliseconds = performance.now() - start;
        juju.logs.push(...linesOf(stdout, 'DEBUG'), ...linesOf(stderr, 'WARNING'));
        return outcomeOf(juju, child.exitCode ?? 'killed', milliseconds);
      } finally {
        server.close();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function putTools(folder: string, names: readonly string[]): Promise<void> {
  await mkdir(folder);
  const client = join(folder, '.client');
  await writeFile(client, CLIENT);
  await chmod(client, 0o755);
  await Promise.all(names.map((name) => symlink('.client', join(folder, name))));
}

async function listen(
  path: string,
  answer: (tool: string, args: readonly string[], stdin: string) => Promise<Answer>,
): Promise<Server> {
  const serve = async (socket: Socket): Promise<void> => {
    const [tool = '', stdin = '', ...args] = fieldsOf(await received(socket));
    const { exitCode, stdout, stderr } = await answer(tool, args, stdin);
    const code = Buffer.alloc(4);
    code.writeUInt32BE(exitCode);
    socket.end(Buffer.concat([code, field(stdout), field(stderr)]));
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // A tool that was killed hears no answer, and none is missed.
    socket.on('error', () => {});
    serve(socket).catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}

/** What comes until the other side has said everything. The socket stays open for the answer. */
async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** A length and the bytes of each; the first says how many follow. */
function fieldsOf(message: Buffer): readonly string[] {
  const fields: string[] = [];
  for (let at = 0; at + 4 <= message.length;) {
    const length = message.readUInt32BE(at);
    fields.push(message.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields.slice(1);
}

function field(content: string): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function linesOf(output: string, level: 'DEBUG' | 'WARNING') {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((message) => ({ level, message }));
}
