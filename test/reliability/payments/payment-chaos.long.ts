import { it } from 'vitest';
import { runPaymentChaos } from './payment-chaos.ts';

it('credits each payment of a month once while 50 workers are killed', { timeout: 900_000 }, async () => {
  await runPaymentChaos({
    payments: 400,
    kills: 50,
    seed: 20_261_121,
    say: (line) => void process.stdout.write(`${line}\n`),
  });
});
