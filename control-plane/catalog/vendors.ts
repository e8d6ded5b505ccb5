import type { ProviderProtocol } from '#shared/usage-record.ts';

export interface Vendor {
  /** The first part of every model id of this vendor. */
  readonly code: string;
  readonly displayName: string;
  /** `<prefix>_API_KEY` and `<prefix>_BASE_URL` configure the vendor's upstream. */
  readonly environmentPrefix: string;
  /** As in the vendor's own SDK: OpenAI style ends in `/v1`, Anthropic without, Gemini in `/v1beta`. */
  readonly defaultBaseUrl: string;
  readonly protocol: ProviderProtocol;
  /** A second protocol under the same base URL, for clients that speak it. */
  readonly alsoSpeaks?: ProviderProtocol;
}

/** The vendors of the seeded catalog, and those that can be configured by environment. */
export const VENDORS: readonly Vendor[] = [
  {
    code: 'openai',
    displayName: 'OpenAI',
    environmentPrefix: 'OPENAI',
    defaultBaseUrl: 'https://api.openai.com/v1',
    protocol: 'chat',
    alsoSpeaks: 'responses',
  },
  {
    code: 'anthropic',
    displayName: 'Anthropic',
    environmentPrefix: 'ANTHROPIC',
    defaultBaseUrl: 'https://api.anthropic.com',
    protocol: 'messages',
  },
  {
    code: 'gemini',
    displayName: 'Google Gemini',
    environmentPrefix: 'GEMINI',
    defaultBaseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    protocol: 'gemini',
  },
  {
    code: 'deepseek',
    displayName: 'DeepSeek',
    environmentPrefix: 'DEEPSEEK',
    defaultBaseUrl: 'https://api.deepseek.com/v1',
    protocol: 'chat',
  },
  {
    code: 'x-ai',
    displayName: 'xAI',
    environmentPrefix: 'XAI',
    defaultBaseUrl: 'https://api.x.ai/v1',
    protocol: 'chat',
  },
  {
    code: 'mistral',
    displayName: 'Mistral AI',
    environmentPrefix: 'MISTRAL',
    defaultBaseUrl: 'https://api.mistral.ai/v1',
    protocol: 'chat',
  },
  {
    code: 'moonshot',
    displayName: 'Moonshot',
    environmentPrefix: 'MOONSHOT',
    defaultBaseUrl: 'https://api.moonshot.ai/v1',
    protocol: 'chat',
  },
  {
    code: 'qwen',
    displayName: 'Alibaba Qwen',
    environmentPrefix: 'QWEN',
    defaultBaseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    protocol: 'chat',
  },
  {
    code: 'minimax',
    displayName: 'MiniMax',
    environmentPrefix: 'MINIMAX',
    defaultBaseUrl: 'https://api.minimax.io/v1',
    protocol: 'chat',
  },
  {
    code: 'tencent',
    displayName: 'Tencent',
    environmentPrefix: 'TENCENT',
    defaultBaseUrl: 'https://api.hunyuan.cloud.tencent.com/v1',
    protocol: 'chat',
  },
  {
    code: 'xiaomi',
    displayName: 'Xiaomi',
    environmentPrefix: 'XIAOMI',
    defaultBaseUrl: 'https://api.xiaomimimo.com/v1',
    protocol: 'chat',
  },
  {
    code: 'z-ai',
    displayName: 'Z.AI (Zhipu)',
    environmentPrefix: 'ZAI',
    defaultBaseUrl: 'https://api.z.ai/api/paas/v4',
    protocol: 'chat',
  },
];

const VENDOR_BY_CODE = new Map(VENDORS.map((vendor) => [vendor.code, vendor]));

/** The name to show for a vendor code; an operator's own vendor has only its code. */
export function vendorDisplayName(code: string): string {
  return VENDOR_BY_CODE.get(code)?.displayName ?? code;
}

export function isSeededVendor(code: string): boolean {
  return VENDOR_BY_CODE.has(code);
}

/**
 * The canonical form of an upstream's base URL: absolute http(s) without credentials, query, fragment or trailing slash.
 * `undefined` when the text is none.
 */
export function parseBaseUrl(text: string): string | undefined {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) return undefined;
  const url = new URL(trimmed);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** One way to call a vendor: an upstream of its own in the catalog. */
export interface VendorEndpoint {
  /** Name of the upstream. */
  readonly name: string;
  readonly protocol: ProviderProtocol;
  /** Rank among the routes of a model whose upstreams all need translation: the vendor's main protocol first. */
  readonly priority: number;
}

export function endpointsOf(vendor: Vendor): VendorEndpoint[] {
  const main: VendorEndpoint = { name: vendor.code, protocol: vendor.protocol, priority: 0 };
  if (vendor.alsoSpeaks === undefined) return [main];
  return [main, { name: `${vendor.code}-${vendor.alsoSpeaks}`, protocol: vendor.alsoSpeaks, priority: 1 }];
}
