import type { Redis } from 'ioredis';
import type { Database } from '#db/client.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { Actor } from '../accounts/authorize.ts';
import { unauthenticated } from './api-error.ts';

/** What the process gives every request. */
export interface ApiResources {
  readonly database: Database;
  readonly redis: Redis;
  readonly sealingKey: SealingKey;
}

/** What one GraphQL request knows about itself. */
export interface RequestContext extends ApiResources {
  readonly requestId: string;
  /** `undefined`: no token was presented. */
  readonly actor: Actor | undefined;
  /** The `idempotency-key` header. */
  readonly idempotencyKey: string | undefined;
}

/** The caller. Fields that need one are guarded by a scope already, so this only fails where that was forgotten. */
export function requireActor(context: RequestContext): Actor {
  if (!context.actor) throw unauthenticated();
  return context.actor;
}
