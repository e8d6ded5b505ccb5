import type { Transaction } from '#db/client.ts';
import { type Actor, actorIdOf, type Reach, reachOf } from '../accounts/authorize.ts';
import { answerOnce } from '../answer-once.ts';
import { type Outcome, type UserError, userError } from '../user-error.ts';
import { audited } from './audit-mutation.ts';
import { permissionIn, rootRuleOf } from './permission-table.ts';
import { type RequestContext, requireActor } from './request-context.ts';

/** What a mutation's payload is made from: the verb's result, or the reasons why there is none. */
export interface Payload<Value> {
  readonly value: Value | null;
  readonly userErrors: readonly UserError[];
}

interface MutationCall {
  /** The name of the mutation's field. */
  readonly mutation: string;
  /** As sent; may have an `idempotencyKey`. */
  readonly input: object;
  /** True where a repetition would cost money: then a key must be sent. */
  readonly keyRequired?: boolean;
}

/** What a verb is told about the call besides its input. */
export interface CallScope {
  /** Where the caller has the permission of the mutation. */
  readonly reach: Reach;
  /** `''` when none was sent. */
  readonly idempotencyKey: string;
}

/** Carries a refusal out of the transaction, so that it rolls back. */
class Refusal extends Error {
  readonly errors: readonly UserError[];
  constructor(errors: readonly UserError[]) {
    super('The mutation was refused');
    this.errors = errors;
  }
}

/**
 * Runs a verb in one transaction, which a refusal rolls back; once per idempotency key where one is sent, in the input or
 * in the header. The verb's result must survive JSON, because a repetition gets its stored copy.
 */
export async function runMutation<Value>(
  context: RequestContext,
  { mutation, input, keyRequired = false }: MutationCall,
  work: (tx: Transaction, scope: CallScope) => Promise<Outcome<Value>>,
): Promise<Payload<Value>> {
  const { idempotencyKey: inputKey, ...comparedInput }: { idempotencyKey?: string | null } = input;
  const idempotencyKey = inputKey ?? context.idempotencyKey;
  if (idempotencyKey === undefined && keyRequired) {
    const message = 'This mutation moves money: send an idempotency key in the input or in the header.';
    return { value: null, userErrors: [userError('IDEMPOTENCY_KEY_REQUIRED', message, 'idempotencyKey')] };
  }
  const actor = requireActor(context);
  const reach = reachOfMutation(actor, mutation);
  return await inTransaction(context, (tx) => {
    const call = { mutation, input: comparedInput };
    if (idempotencyKey === undefined)
      return audited(tx, context, call, () => work(tx, { reach, idempotencyKey: '' }));
    return answerOnce(tx, { actorId: actorIdOf(actor), idempotencyKey, ...call }, context.sealingKey, () =>
      audited(tx, context, call, () => work(tx, { reach, idempotencyKey })),
    );
  });
}

function reachOfMutation(actor: Actor, mutation: string): Reach {
  const permission = permissionIn(rootRuleOf('Mutation', mutation));
  if (permission !== undefined) return reachOf(actor, permission);
  return actor.kind === 'operator' ? 'everywhere' : { accountIds: [] };
}

async function inTransaction<Value>(
  { database }: RequestContext,
  work: (tx: Transaction) => Promise<Outcome<Value>>,
): Promise<Payload<Value>> {
  try {
    const value = await database.transaction(async (tx) => {
      const outcome = await work(tx);
      if (!outcome.ok) throw new Refusal(outcome.errors);
      return outcome.value;
    });
    return { value, userErrors: [] };
  } catch (error) {
    if (error instanceof Refusal) return { value: null, userErrors: error.errors };
    if (violates(error, EXTERNAL_ID_INDEXES)) {
      const message = 'Another object of the same owner has just got this external id.';
      return { value: null, userErrors: [userError('EXTERNAL_ID_TAKEN', message, 'externalId')] };
    }
    throw error;
  }
}

/** Verbs look first; of two calls at the same moment only the index sees the second. */
const EXTERNAL_ID_INDEXES: ReadonlySet<unknown> = new Set([
  'accounts_external_id_key',
  'api_keys_account_external_id_key',
]);

function violates(error: unknown, indexes: ReadonlySet<unknown>): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('constraint_name' in cause && indexes.has(cause.constraint_name)) return true;
  return false;
}
