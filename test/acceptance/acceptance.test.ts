import { afterAll, beforeAll } from 'vitest';
import { cellCases } from './cell-cases.ts';
import { configCases } from './config-cases.ts';
import { errorCases } from './error-cases.ts';
import { holdCases } from './hold-cases.ts';
import { limitCases } from './limit-cases.ts';
import { moneyCases } from './money-cases.ts';
import { outageCases } from './outage-cases.ts';
import { type Outside, openOutside } from './outside.ts';
import { partnerCases } from './partner-cases.ts';
import { paymentCases } from './payment-cases.ts';
import { providerViewCases } from './provider-view-cases.ts';
import { sdkCases } from './sdk-cases.ts';
import { secrecyCases } from './secrecy-cases.ts';

/**
 * The product seen from outside: one installation, started as a newcomer starts it, with a provider of our own behind
 * OPENAI_BASE_URL. The cases know only what is public: HTTP, GraphQL, `dev.json`, and for the audit of what is kept, the
 * stores themselves. Outages come last.
 */
const START_TIMEOUT_MS = 180_000;

let outside: Outside | undefined;
const current = (): Outside => {
  if (!outside) throw new Error('The product is not running');
  return outside;
};
beforeAll(async () => {
  outside = await openOutside({ WEBHOOKS_TO_LOOPBACK: 'true' });
}, START_TIMEOUT_MS);
afterAll(() => outside?.close(), START_TIMEOUT_MS);

sdkCases(current);
cellCases(current);
providerViewCases(current);
errorCases(current);
configCases(current);
moneyCases(current);
paymentCases(current);
limitCases(current);
partnerCases(current);
holdCases(current);
secrecyCases(current);
outageCases(current);
