import path from 'node:path';
import type { FakeStripeOptions } from './server.ts';

/** Reads what the supervisor passes on. Throws when something is missing: nobody starts this by hand. */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): FakeStripeOptions {
  const required = (name: string): string => {
    const value = environment[name];
    if (value === undefined || value === '') throw new Error(`${name} is not set`);
    return value;
  };
  return {
    port: Number(new URL(required('STRIPE_API_BASE')).port),
    secretKey: required('STRIPE_SECRET_KEY'),
    webhookUrl: `http://127.0.0.1:${required('CONTROL_PLANE_PORT')}/webhooks/stripe`,
    webhookSecret: required('STRIPE_WEBHOOK_SECRET'),
    bookFile: path.join(required('CROSSMODEL_HOME'), 'fake-stripe.json'),
  };
}
