import type { Transaction } from '#db/client.ts';
import { answerOnce } from '../answer-once.ts';
import { type Outcome, type UserError, userError } from '../user-error.ts';
import { type RequestContext, requireActor } from './request-context.ts';

/** What a mutation's payload is made from: the verb's result, or the reasons why there is none. */
export interface Payload<Value> {
  readonly value: Value | null;
  readonly userErrors: readonly UserError[];
}

interface Repeatable {
  readonly mutation: string;
  readonly input: { readonly idempotencyKey?: string | null | undefined };
  /** True where a repetition would cost money: then a key must be sent. */
  readonly keyRequired?: boolean;
}

/** Carries a refusal out of the transaction, so that it rolls back. */
class Refusal extends Error {
  readonly errors: readonly UserError[];
  constructor(errors: readonly UserError[]) {
    super('The mutation was refused');
    this.errors = errors;
  }
}

/** Runs a verb in one transaction, which a refusal rolls back. */
export async function runMutation<Value>(
  context: RequestContext,
  work: (tx: Transaction) => Promise<Outcome<Value>>,
): Promise<Payload<Value>> {
  try {
    const value = await context.database.transaction(async (tx) => {
      const outcome = await work(tx);
      if (!outcome.ok) throw new Refusal(outcome.errors);
      return outcome.value;
    });
    return { value, userErrors: [] };
  } catch (error) {
    if (error instanceof Refusal) return { value: null, userErrors: error.errors };
    throw error;
  }
}

/**
 * As {@link runMutation}, once per idempotency key where one is sent, in the input or in the header. The verb's result
 * must survive JSON, because a repetition gets its stored copy.
 */
export async function runRepeatableMutation<Value>(
  context: RequestContext,
  { mutation, input, keyRequired = false }: Repeatable,
  work: (tx: Transaction, idempotencyKey: string) => Promise<Outcome<Value>>,
): Promise<Payload<Value>> {
  const { idempotencyKey: inputKey, ...comparedInput } = input;
  const idempotencyKey = inputKey ?? context.idempotencyKey;
  if (idempotencyKey === undefined) {
    if (!keyRequired) return await runMutation(context, (tx) => work(tx, ''));
    const message = 'This mutation moves money: send an idempotency key in the input or in the header.';
    return { value: null, userErrors: [userError('IDEMPOTENCY_KEY_REQUIRED', message, 'idempotencyKey')] };
  }
  const { tokenId } = requireActor(context);
  return await runMutation(context, (tx) =>
    answerOnce(
      tx,
      { actorId: tokenId, idempotencyKey, mutation, input: comparedInput },
      context.sealingKey,
      () => work(tx, idempotencyKey),
    ),
  );
}
