import type { CompiledUpstream } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { SnapshotModel } from '#shared/snapshot.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { type GatewayUnderTest, testModel, testUpstream } from './gateway-under-test.ts';

export const PROTOCOLS: readonly ProviderProtocol[] = ['chat', 'responses', 'messages', 'gemini'];

/** Base path and vendor of each protocol, as a catalog would have them. */
const USUAL: Readonly<Record<ProviderProtocol, { readonly basePath: string; readonly vendor: string }>> = {
  chat: { basePath: '/v1', vendor: 'openrouter' },
  responses: { basePath: '/v1', vendor: 'openai' },
  messages: { basePath: '', vendor: 'anthropic' },
  gemini: { basePath: '/v1beta', vendor: 'gemini' },
};

/** What a model of each protocol says of its reasoning. */
const REASONING: Readonly<Record<ProviderProtocol, SnapshotModel['capabilities']['reasoning']>> = {
  chat: {},
  responses: { effort: ['low', 'medium', 'high'] },
  messages: { budget_tokens: { min: 1_024 } },
  gemini: { effort: ['minimal', 'low', 'medium', 'high'] },
};

export function protocolUpstream(
  origin: string,
  protocol: ProviderProtocol,
  overrides: Partial<CompiledUpstream> = {},
): CompiledUpstream {
  const id = overrides.id ?? `${protocol}-upstream`;
  return testUpstream(origin, { ...USUAL[protocol], id, name: id, protocol, ...overrides });
}

/** Adds a reasoning model with one route of `protocol` and returns its id. */
export function addProtocolModel(
  gateway: GatewayUnderTest,
  protocol: ProviderProtocol,
  origin: string,
  overrides: Partial<CompiledUpstream> = {},
): string {
  const upstream = protocolUpstream(origin, protocol, overrides);
  const id = `${upstream.vendor}/${upstream.name}`;
  const capabilities = {
    tools: true,
    json: true,
    temperature: true,
    attachment: null,
    reasoning: REASONING[protocol],
  };
  const config = testModel({ id, vendor: upstream.vendor, capabilities } as Partial<SnapshotModel>);
  gateway.snapshot.addModel(config, [{ upstream, providerModel: `${protocol}-internal` }]);
  return id;
}
