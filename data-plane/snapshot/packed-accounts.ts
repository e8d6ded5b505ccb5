import type { SnapshotAccount } from '#shared/snapshot.ts';
import { HashIndex, hashText } from './hash-index.ts';
import { PackedTexts } from './packed-texts.ts';
import { RecentValues } from './recent-values.ts';

/** Before the id in a packed text. */
const MARKS = { active: 'A', suspended: 'S' } as const;

/** All accounts of the snapshot, packed; the ones in use are unpacked. */
export class PackedAccounts {
  readonly #texts = new PackedTexts((text, from, to) =>
    this.#byId.replace(hashText(text.slice(1)), from, to),
  );
  readonly #byId = new HashIndex();
  readonly #recent = new RecentValues<SnapshotAccount>();

  find(id: string): SnapshotAccount | undefined {
    const recent = this.#recent.get(id);
    if (recent !== undefined) return recent;
    const reference = this.#referenceOf(id);
    if (reference === 0) return undefined;
    const account = unpackAccount(this.#texts.read(reference));
    this.#recent.set(id, account);
    return account;
  }

  put({ id, status }: SnapshotAccount): void {
    this.putPacked(MARKS[status] + id);
  }

  /** Takes a text of `portions`. */
  putPacked(text: string): void {
    const id = text.slice(1);
    this.remove(id);
    this.#byId.add(hashText(id), this.#texts.add(text));
  }

  /** All accounts, packed; see `PackedTexts`. */
  portions(): Generator<Buffer> {
    return this.#texts.portions();
  }

  remove(id: string): void {
    const reference = this.#referenceOf(id);
    if (reference === 0) return;
    this.#byId.remove(hashText(id), reference);
    this.#recent.delete(id);
    this.#texts.remove(reference);
  }

  #referenceOf(id: string): number {
    return this.#byId.find(hashText(id), (reference) => this.#texts.read(reference).slice(1) === id);
  }
}

function unpackAccount(text: string): SnapshotAccount {
  return { id: text.slice(1), status: text.startsWith(MARKS.active) ? 'active' : 'suspended' };
}
