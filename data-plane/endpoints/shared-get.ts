import {
  authenticate,
  type KeyPreference,
  type PresentedCaller,
  presentedKey,
} from '#data-plane/admission/authenticate.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import type { RequestIntake } from '#data-plane/http/request-intake.ts';
import type { CompiledKey, CompiledSnapshot } from '#data-plane/snapshot/compiled-snapshot.ts';
import { isFault } from '#shared/fault.ts';
import { answerFault, type ErrorShape, type Exchange } from './exchange.ts';

/** On the GET endpoints that both families of clients share, a non-empty `x-api-key` selects the Anthropic shape. */
export function shapeByHeader(intake: RequestIntake): ErrorShape {
  return intake.xApiKey.trim() === '' ? 'openai' : 'anthropic';
}

/**
 * Runs `answer` for the key that the request presents, or answers why it may not. `preference` says which header counts when
 * both carry a key. Leaves no usage record.
 */
export function withKey(
  gateway: Gateway,
  exchange: Exchange,
  preference: KeyPreference,
  answer: (key: CompiledKey, snapshot: CompiledSnapshot) => void,
): void {
  const snapshot = gateway.snapshots.current();
  const caller = authenticate(callerOf(gateway, exchange, preference), snapshot, gateway.clock.nowMs());
  if (isFault(caller)) answerFault(exchange, caller);
  else if ('fault' in caller) answerFault(exchange, caller.fault);
  else answer(caller, snapshot);
}

/** What the request shows of its caller; must be called and read inside the route's handler. */
export function callerOf(gateway: Gateway, exchange: Exchange, preference: KeyPreference): PresentedCaller {
  const { intake, shape } = exchange;
  return {
    secret: presentedKey(intake, preference),
    shape,
    address: () => intake.clientAddress(gateway.trustedProxies),
  };
}
