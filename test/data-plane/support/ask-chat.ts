import { type GatewayUnderTest, MODEL_ID, postChat } from './gateway-under-test.ts';
import type { ProviderScript } from './scripted-provider.ts';

export const messages = [{ role: 'user', content: 'hello' }];

/** Events of a provider's stream. */
export const ROLE =
  'data: {"model":"p","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n';
export const CONTENT =
  'data: {"model":"p","choices":[{"index":0,"delta":{"content":"Par"},"finish_reason":null}]}\n\n';
export const STOP = 'data: {"model":"p","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
export const DONE = 'data: [DONE]\n\n';

/** What a client of a failed provider is told. */
export const PROVIDER_ERROR = { error: { type: 'provider_error', code: 'provider_error', param: null } };

export const hangs: ProviderScript = () => {};
export const resets: ProviderScript = (response) => void response.socket?.destroy();

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The connection broke before the answer was complete. */
  readonly cut: boolean;
}

/** Asks for a chat that the provider answers as scripted, and reads as much as comes. */
export async function askChat(
  gateway: GatewayUnderTest,
  script: ProviderScript,
  extra: object = {},
): Promise<Answer> {
  gateway.provider.script = script;
  const answer = await postChat(gateway, { model: MODEL_ID, messages, ...extra });
  let text = '';
  let cut = false;
  try {
    for await (const piece of answer.body ?? []) text += Buffer.from(piece).toString();
  } catch {
    cut = true;
  }
  return { status: answer.status, headers: answer.headers, text, cut };
}
