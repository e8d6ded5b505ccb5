import type { Transaction } from '#db/client.ts';
import { type Actor, actorIdOf } from '../accounts/authorize.ts';
import { readSubject, type SubjectState } from '../audit/read-subject.ts';
import { recordAudit } from '../audit/record-audit.ts';
import type { Outcome } from '../user-error.ts';
import { AUDIT_SUBJECTS, type AuditSubject } from './audit-table.ts';
import { decodeGlobalId, encodeGlobalId } from './global-ids.ts';
import { type RequestContext, requireActor } from './request-context.ts';

/**
 * Runs a verb and writes who did what to the audit log, with the state of its object before and after, in the same
 * transaction. A refusal leaves nothing.
 */
export async function audited<Value>(
  tx: Transaction,
  context: RequestContext,
  { mutation, input }: { readonly mutation: string; readonly input: object },
  work: () => Promise<Outcome<Value>>,
): Promise<Outcome<Value>> {
  const subject = AUDIT_SUBJECTS[mutation];
  const named = subject && idIn(input, subject);
  const before = subject && named !== undefined ? await readSubject(tx, subject.kind, named) : undefined;
  const outcome = await work();
  if (!outcome.ok) return outcome;
  const id = named ?? (subject && memberOf(outcome.value, subject.member));
  const after = subject && id !== undefined ? await readSubject(tx, subject.kind, id) : undefined;
  const actor = requireActor(context);
  await recordAudit(tx, {
    accountId: accountOf(after ?? before, input),
    actorKind: actor.kind,
    actorId: actorIdOf(actor),
    actorName: nameOf(actor),
    clientAddress: context.clientAddress,
    requestId: context.requestId,
    mutation,
    subjectKind: subject && id !== undefined ? subject.kind : null,
    subjectId: subject && id !== undefined ? encodeGlobalId(subject.kind, id) : null,
    input,
    before: before?.state ?? null,
    after: after?.state ?? (subject ? null : idsOf(outcome.value)),
  });
  return outcome;
}

function nameOf(actor: Actor): string {
  return actor.kind === 'user' ? actor.email : actor.tokenName;
}

/** The internal id of the object that the input names. */
function idIn(input: object, { kind, member }: AuditSubject): string | undefined {
  const text = memberOf(input, member);
  if (text === undefined) return undefined;
  return kind === 'Model' ? text : decodeGlobalId(text).id;
}

function accountOf(state: SubjectState | undefined, input: object): string | null {
  if (state) return state.accountId;
  const named = memberOf(input, 'accountId');
  return named === undefined ? null : decodeGlobalId(named).id;
}

function memberOf(value: unknown, name: string): string | undefined {
  const member: unknown = value !== null && typeof value === 'object' ? Reflect.get(value, name) : undefined;
  return typeof member === 'string' ? member : undefined;
}

/** Of a result about many objects, their ids and nothing else: it may hold secrets. */
function idsOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(idsOf);
  if (value === null || typeof value !== 'object') return null;
  const kept = Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    if (/Ids?$/.test(name)) return [[name, member]];
    return Array.isArray(member) ? [[name, idsOf(member)]] : [];
  });
  return Object.fromEntries(kept);
}
