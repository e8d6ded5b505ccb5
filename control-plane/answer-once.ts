import { createHash } from 'node:crypto';
import { and, eq, gt, lte, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { idempotencyRecords } from '#db/schema/accounts.ts';
import { SEAL_PURPOSES, type SealingKey, seal, unseal } from '#shared/sealed-secret.ts';
import { type Outcome, refused, succeeded, userError } from './user-error.ts';

const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;

export interface RepeatableRequest {
  /** Who sent the key; keys of different callers never meet. */
  readonly actorId: string;
  readonly idempotencyKey: string;
  readonly mutation: string;
  /** Everything that the answer depends on; compared by digest. */
  readonly input: unknown;
}

/**
 * Runs `work` once per idempotency key: for 24 h the same request gets the same answer, secrets included, from a sealed
 * copy; the same key with another mutation or input is refused. Refusals are not kept, so a corrected request may use
 * its key again. Everything happens in the caller's transaction; a second request with the key waits for the first.
 */
export async function answerOnce<Answer>(
  tx: Transaction,
  request: RepeatableRequest,
  sealingKey: SealingKey,
  work: () => Promise<Outcome<Answer>>,
): Promise<Outcome<Answer>> {
  if (!KEY_PATTERN.test(request.idempotencyKey))
    return refused([
      userError(
        'INVALID_INPUT',
        'An idempotency key has 1 to 255 printable ASCII characters without spaces.',
        'idempotencyKey',
      ),
    ]);
  const record = and(
    eq(idempotencyRecords.actorId, request.actorId),
    eq(idempotencyRecords.key, request.idempotencyKey),
  );
  await tx.execute(
    sql`select pg_advisory_xact_lock(hashtextextended(${`${request.actorId}:${request.idempotencyKey}`}, 0))`,
  );
  const inputDigest = digestOf(request.input);
  const [earlier] = await tx
    .select()
    .from(idempotencyRecords)
    .where(and(record, gt(idempotencyRecords.expiresAt, sql`now()`)));
  if (earlier) {
    if (earlier.mutation !== request.mutation || earlier.inputDigest !== inputDigest)
      return refused([
        userError(
          'IDEMPOTENCY_KEY_REUSED',
          'This idempotency key was used before with another mutation or other input.',
          'idempotencyKey',
        ),
      ]);
    const answer: Answer = JSON.parse(
      unseal(earlier.sealedAnswer, sealingKey, SEAL_PURPOSES.idempotentAnswer),
    );
    return succeeded(answer);
  }
  const outcome = await work();
  if (!outcome.ok) return outcome;
  await tx.delete(idempotencyRecords).where(record);
  await tx.insert(idempotencyRecords).values({
    actorId: request.actorId,
    key: request.idempotencyKey,
    mutation: request.mutation,
    inputDigest,
    sealedAnswer: seal(JSON.stringify(outcome.value), sealingKey, SEAL_PURPOSES.idempotentAnswer),
    expiresAt: sql`now() + interval '24 hours'`,
  });
  return outcome;
}

/** Deletes the sealed answers that are past their 24 h; returns how many. For a job that runs every hour or so. */
export async function forgetExpiredAnswers(database: Database): Promise<number> {
  const forgotten = await database
    .delete(idempotencyRecords)
    .where(lte(idempotencyRecords.expiresAt, sql`now()`))
    .returning({ key: idempotencyRecords.key });
  return forgotten.length;
}

/** The digest of a value as JSON with sorted keys, so that the order in which a client writes fields does not matter. */
function digestOf(value: unknown): string {
  const text = JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(text).digest('base64url');
}
