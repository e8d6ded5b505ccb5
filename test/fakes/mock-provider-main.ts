import { parseArgs } from 'node:util';
import { startMockProvider } from './mock-provider.ts';
import type { MockScript } from './mock-script.ts';

/**
 * The mock provider as a process of its own: `node test/fakes/mock-provider-main.ts --port 21900 --book book.jsonl
 * [--script '{"latencyMs":50}'] [--key sk-…]`. Prints one JSON line once it listens; ends on SIGTERM and SIGINT.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    book: { type: 'string' },
    script: { type: 'string', default: '{}' },
    key: { type: 'string' },
  },
});
const provider = await startMockProvider({
  port: Number(values.port),
  script: JSON.parse(values.script) as MockScript,
  ...(values.book === undefined ? {} : { bookPath: values.book }),
  ...(values.key === undefined ? {} : { requiredKey: values.key }),
});
process.stdout.write(`${JSON.stringify({ baseUrl: provider.baseUrl, port: provider.port })}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    void provider.close().then(() => process.exit(0));
  });
