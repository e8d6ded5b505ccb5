import { afterAll, beforeAll, describe, it } from 'vitest';
import { hasRecordings } from '../dialects/provider-recordings.ts';
import { type ClientProduct, openClientProduct } from './client-product.ts';
import { guideProgramCases, guideShellCases } from './guide-cases.ts';
import { missingTree } from './installed.ts';
import { openResponsesCases } from './open-responses-cases.ts';

const START_TIMEOUT_MS = 180_000;
const missing = missingTree('.');

/** The running product as the clients that people use find it, on models of providers of every protocol. */
let opened: ClientProduct | undefined;
const current = (): ClientProduct => {
  if (!opened) throw new Error('The product is not running');
  return opened;
};
beforeAll(async () => {
  opened = await openClientProduct();
}, START_TIMEOUT_MS);
afterAll(() => opened?.close(), START_TIMEOUT_MS);

const reason = hasRecordings ? '' : ' (skipped: needs CROSSMODEL_SHARED)';
describe.skipIf(!hasRecordings)(`the compliance suite${reason}`, () => openResponsesCases(current));

guideShellCases(current);

describe.skipIf(missing !== undefined)(`client libraries${missing ? ` (${missing})` : ''}`, async () => {
  if (missing !== undefined) {
    // A group without a test would vanish from the report instead of being shown as skipped.
    it(missing, () => undefined);
    return;
  }
  const { vercelAiCases } = await import('./vercel-ai-cases.ts');
  const { openaiAgentsCases } = await import('./openai-agents-cases.ts');
  const { langchainCases } = await import('./langchain-cases.ts');
  const { officialSdkCases } = await import('./official-sdk-cases.ts');
  vercelAiCases(current);
  openaiAgentsCases(current);
  langchainCases(current);
  officialSdkCases(current);
  guideProgramCases(current);
});
