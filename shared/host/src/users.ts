import { readFile } from 'node:fs/promises';
import { run } from './run.ts';

/** Whether this machine has a user. Those of a directory service are not looked for. */
export async function hasUser(name: string): Promise<boolean> {
  return (await entriesOf('/etc/passwd')).some(([user]) => user === name);
}

/** The groups that a user was added to. */
export async function groupsOf(name: string): Promise<readonly string[]> {
  return (await entriesOf('/etc/group')).flatMap(([group = '', , , members = '']) =>
    members.split(',').includes(name) ? [group] : [],
  );
}

/** @throws {HostError} `command` */
export async function addUser(name: string, home: string): Promise<void> {
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', home];
  await run(['useradd', ...options, '--shell', '/usr/sbin/nologin', name]);
}

/** @throws {HostError} `command`, where one of the groups is not there */
export async function addToGroups(name: string, groups: readonly string[]): Promise<void> {
  await run(['usermod', '--append', '--groups', groups.join(','), name]);
}

/** @throws {HostError} `command`, while a process of the user runs */
export async function removeUser(name: string): Promise<void> {
  await run(['userdel', name]);
}

async function entriesOf(file: string): Promise<readonly (readonly string[])[]> {
  return (await readFile(file, 'utf8')).split('\n').map((line) => line.split(':'));
}
