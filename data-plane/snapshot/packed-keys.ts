import type { SnapshotKey } from '#shared/snapshot.ts';
import type { CompiledKey } from './compiled-snapshot.ts';
import { HashIndex, hashText } from './hash-index.ts';
import { PackedTexts } from './packed-texts.ts';
import { RecentValues } from './recent-values.ts';

const NO_EXACT_ALIASES: ReadonlyMap<string, string> = new Map();
const NO_PREFIX_ALIASES: CompiledKey['prefixAliases'] = [];
const NO_ALIASES: SnapshotKey['aliases'] = [];

/**
 * All keys of the snapshot, packed; the ones in use are unpacked. Found by the digest of the key and by that of the secret
 * before its last rotation.
 */
export class PackedKeys {
  readonly #texts = new PackedTexts((text, from, to) => this.#moved(text, from, to));
  readonly #byDigest = new HashIndex();
  readonly #byId = new HashIndex();
  readonly #recent = new RecentValues<CompiledKey>();

  find(digest: string): CompiledKey | undefined {
    const recent = this.#recent.get(digest);
    if (recent !== undefined) return recent;
    let found: SnapshotKey | undefined;
    this.#byDigest.find(hashText(digest), (reference) => {
      const config = unpackKey(this.#texts.read(reference));
      if (config.digest !== digest && config.previousSecret?.digest !== digest) return false;
      found = config;
      return true;
    });
    if (found === undefined) return undefined;
    const key = compileKey(found);
    this.#recent.set(digest, key);
    return key;
  }

  /** Takes the place of the key of the same id, if there is one. */
  put(config: SnapshotKey): void {
    this.#put(config, packKey(config));
  }

  /** Takes a text of `portions`. Throws what `JSON.parse` throws for others. */
  putPacked(text: string): void {
    this.#put(unpackKey(text), text);
  }

  /** All keys, packed; see `PackedTexts`. */
  portions(): Generator<Buffer> {
    return this.#texts.portions();
  }

  #put(config: SnapshotKey, text: string): void {
    this.remove(config.id);
    const reference = this.#texts.add(text);
    this.#byId.add(hashText(config.id), reference);
    for (const digest of digestsOf(config)) this.#byDigest.add(hashText(digest), reference);
  }

  remove(id: string): void {
    let config: SnapshotKey | undefined;
    const hash = hashText(id);
    const reference = this.#byId.find(hash, (candidate) => {
      config = unpackKey(this.#texts.read(candidate));
      return config.id === id;
    });
    if (reference === 0 || config === undefined) return;
    this.#byId.remove(hash, reference);
    for (const digest of digestsOf(config)) {
      this.#byDigest.remove(hashText(digest), reference);
      this.#recent.delete(digest);
    }
    this.#texts.remove(reference);
  }

  #moved(text: string, from: number, to: number): void {
    const config = unpackKey(text);
    this.#byId.replace(hashText(config.id), from, to);
    for (const digest of digestsOf(config)) this.#byDigest.replace(hashText(digest), from, to);
  }
}

function digestsOf({ digest, previousSecret }: SnapshotKey): string[] {
  return previousSecret === undefined || previousSecret.digest === digest
    ? [digest]
    : [digest, previousSecret.digest];
}

/** A key without its field names, the optional fields last. */
function packKey(key: SnapshotKey): string {
  const { id, digest, accountId, status, expiresAtMs, rpmLimit, tpmLimit, aliases, ...optional } = key;
  const fields: unknown[] = [digest, id, accountId, status === 'active' ? 1 : 0, rpmLimit, tpmLimit];
  const hasOptional = Object.keys(optional).length > 0;
  if (aliases.length > 0 || expiresAtMs !== null || hasOptional)
    fields.push(aliases.map(({ alias, kind, model }) => [alias, kind === 'exact' ? 1 : 0, model]));
  if (expiresAtMs !== null || hasOptional) fields.push(expiresAtMs);
  if (hasOptional) fields.push(optional);
  return JSON.stringify(fields);
}

type PackedFields = [
  digest: string,
  id: string,
  accountId: string,
  active: 0 | 1,
  rpmLimit: number,
  tpmLimit: number,
  aliases?: [alias: string, exact: 0 | 1, model: string][],
  expiresAtMs?: number | null,
  optional?: Partial<SnapshotKey>,
];

/** The key that a text of `PackedKeys` holds. */
export function unpackKey(text: string): SnapshotKey {
  const [digest, id, accountId, active, rpmLimit, tpmLimit, aliases, expiresAtMs = null, optional] =
    JSON.parse(text) as PackedFields;
  return {
    id,
    digest,
    accountId,
    status: active === 1 ? 'active' : 'disabled',
    expiresAtMs,
    rpmLimit,
    tpmLimit,
    ...optional,
    aliases:
      aliases === undefined
        ? NO_ALIASES
        : aliases.map(([alias, exact, model]) => ({ alias, kind: exact === 1 ? 'exact' : 'prefix', model })),
  };
}

function compileKey(config: SnapshotKey): CompiledKey {
  if (config.aliases.length === 0)
    return { config, exactAliases: NO_EXACT_ALIASES, prefixAliases: NO_PREFIX_ALIASES };
  const exactAliases = new Map<string, string>();
  const prefixAliases: { prefix: string; model: string }[] = [];
  for (const { alias, kind, model } of config.aliases) {
    if (kind === 'exact') exactAliases.set(alias, model);
    else prefixAliases.push({ prefix: alias, model });
  }
  prefixAliases.sort((left, right) => right.prefix.length - left.prefix.length);
  return { config, exactAliases, prefixAliases };
}
