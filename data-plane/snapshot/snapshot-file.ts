import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SealingKey } from '#shared/sealed-secret.ts';
import {
  decodeSnapshotPart,
  encodeSnapshotPart,
  type SnapshotCatalog,
  SnapshotFormatError,
} from '#shared/snapshot.ts';
import { type PackedPortion, SnapshotStore } from './snapshot-store.ts';

/** Changes when packed bytes do; a copy of another version is not read. */
const FILE_VERSION = 1;
/** Each piece of the file is a head of this length, JSON and blanks, and as many bytes as it says. */
const HEAD_BYTES = 256;
const MOST_PIECE_BYTES = 1024 * 1024 * 1024;

/** Before the bytes of a piece; `end` has none, and a copy without it is not whole. */
interface PieceHead {
  readonly version: number;
  readonly of: 'catalog' | PackedPortion['of'] | 'end';
  readonly bytes: number;
  /** SHA-256 of the bytes, base64url. */
  readonly digest: string;
}

/**
 * The last good snapshot on disk, for a start while Redis is away: the catalog, then accounts and keys in portions, each with
 * its digest. Credentials in it are sealed as they are in Redis. Changes that arrive while it is written come after its
 * sequence and are applied again by who reads it.
 */
export async function saveSnapshotFile(path: string, store: SnapshotStore): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(temporary, 'w', 0o600);
  try {
    await writePiece(file, 'catalog', Buffer.from(encodeSnapshotPart(store.catalog, store.sequence)));
    for (const { of, bytes } of store.packed()) {
      await writePiece(file, of, bytes);
      await nextTurn();
    }
    await writePiece(file, 'end', Buffer.alloc(0));
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function writePiece(file: FileHandle, of: PieceHead['of'], bytes: Buffer): Promise<void> {
  const head: PieceHead = { version: FILE_VERSION, of, bytes: bytes.length, digest: digestOf(bytes) };
  await file.write(JSON.stringify(head).padEnd(HEAD_BYTES));
  if (bytes.length > 0) await file.write(bytes);
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

/** Reads the copy back, which may lack the newest; `undefined` when there is none. Throws when it is damaged. */
export async function loadSnapshotFile(
  path: string,
  sealingKey: SealingKey,
): Promise<SnapshotStore | undefined> {
  if (!existsSync(path)) return undefined;
  const store = new SnapshotStore(sealingKey);
  store.mayLackNewest = true;
  const file = await open(path);
  try {
    for (;;) {
      const { of, bytes } = await readPiece(file);
      if (of === 'end') return store;
      if (of === 'catalog') {
        const catalog = decodeSnapshotPart<SnapshotCatalog>(bytes.toString());
        store.loadCatalog(catalog.body, catalog.sequence);
        store.sequence = catalog.sequence;
      } else store.loadPacked({ of, bytes }, store.sequence);
      await nextTurn();
    }
  } finally {
    await file.close();
  }
}

async function readPiece(file: FileHandle): Promise<{ of: PieceHead['of']; bytes: Buffer }> {
  const head = JSON.parse((await readBytes(file, HEAD_BYTES)).toString()) as PieceHead;
  if (head.version !== FILE_VERSION || !(head.bytes >= 0 && head.bytes <= MOST_PIECE_BYTES))
    throw new SnapshotFormatError('The snapshot copy has another version');
  const bytes = await readBytes(file, head.bytes);
  if (digestOf(bytes) !== head.digest)
    throw new SnapshotFormatError('A part of the snapshot copy does not match its digest');
  return { of: head.of, bytes };
}

async function readBytes(file: FileHandle, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  const { bytesRead } = await file.read(buffer, 0, length);
  if (bytesRead < length) throw new SnapshotFormatError('The end of the snapshot copy is missing');
  return buffer;
}
