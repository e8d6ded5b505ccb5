import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { errorCode } from './error-code.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { StartRefusal } from './start-refusal.ts';

const SECRET_KEY_BYTES = 32;
const LOCK_NAME = 'supervisor.json';

/**
 * Creates the folder that holds everything of one installation. Others may not look into it; when we are root they may pass
 * through it, because Postgres then runs as another user inside it. Every file with a secret is 0600 besides.
 */
export function createStateFolder(folder: string): void {
  try {
    mkdirSync(path.join(folder, 'logs'), { recursive: true, mode: 0o700 });
    chmodSync(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
  } catch (error) {
    throw new StartRefusal(
      `The state folder ${folder} cannot be written (${errorCode(error)}). Set CROSSMODEL_HOME to a folder of your own, ` +
        'or run the command as the user who owns it.',
    );
  }
  const uid = process.getuid?.();
  const foreign =
    uid === 0 ? undefined : readdirSync(folder).find((name) => ownerOf(path.join(folder, name)) !== uid);
  if (foreign !== undefined) {
    throw new StartRefusal(
      `${path.join(folder, foreign)} belongs to another user (was CrossModel started with sudo before?). Start it as that user, ` +
        `take the files over (sudo chown -R "$USER" ${folder}), or set CROSSMODEL_HOME to another folder.`,
    );
  }
}

function ownerOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.uid;
}

/** Writes a file as a whole or not at all, readable by this user only. */
export function writePrivately(file: string, content: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode: 0o600 });
  renameSync(draft, file);
}

/** A secret that is made once and then stays, as lower-case hexadecimal digits. */
export function keptSecret(file: string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const secret = randomBytes(SECRET_KEY_BYTES).toString('hex');
  writePrivately(file, `${secret}\n`);
  return secret;
}

/** A number remembered between starts (a port); undefined the first time. */
export function rememberedNumber(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const value = Number(readFileSync(file, 'utf8').trim());
  return Number.isInteger(value) ? value : undefined;
}

function readLockOwner(file: string): ProcessIdentity | undefined {
  try {
    const owner: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof owner !== 'object' || owner === null || !('pid' in owner) || !('startTime' in owner))
      return undefined;
    return typeof owner.pid === 'number' && typeof owner.startTime === 'string'
      ? { pid: owner.pid, startTime: owner.startTime }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The process that locked the folder, while it lives. */
export function runningSupervisor(folder: string): ProcessIdentity | undefined {
  const owner = readLockOwner(path.join(folder, LOCK_NAME));
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

/** Whether the process that locked the folder still runs; false also when nobody has. */
export function isInUse(folder: string): boolean {
  return runningSupervisor(folder) !== undefined;
}

/**
 * Makes this process the only supervisor of the folder; returns how to let go. A lock whose owner is dead is taken over.
 * Throws StartRefusal naming the other process when one is running.
 */
export function lockStateFolder(folder: string): () => void {
  const file = path.join(folder, LOCK_NAME);
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(identify(process.pid)), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A hard link appears with its content or not at all, so nobody reads a half-written owner.
        linkSync(draft, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
      removeIfOwnerIsDead(file, folder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function removeIfOwnerIsDead(file: string, folder: string): void {
  const owner = readLockOwner(file);
  if (owner !== undefined && isAlive(owner)) {
    throw new StartRefusal(
      `CrossModel is already running in ${folder} (process ${owner.pid}). Use that one, stop it with Ctrl-C in its terminal, ` +
        'or start a second one with its own CROSSMODEL_HOME, DATA_PLANE_PORT and CONTROL_PLANE_PORT.',
    );
  }
  const moved = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, moved);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  // Two starts may have judged the same dead owner; if the other one was faster, what we moved away is its lock.
  const taken = readLockOwner(moved);
  if (taken !== undefined && isAlive(taken) && !existsSync(file)) linkSync(moved, file);
  rmSync(moved, { force: true });
}
