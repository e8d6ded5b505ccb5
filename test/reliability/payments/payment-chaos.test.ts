import { it } from 'vitest';
import { runPaymentChaos } from './payment-chaos.ts';

it('credits each payment once while its events are repeated, shuffled and the workers killed', {
  timeout: 300_000,
}, async () => {
  await runPaymentChaos({ payments: 30, kills: 4, seed: 20_261_121, say: () => undefined });
});
