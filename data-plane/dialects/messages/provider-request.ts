import { spliceBytes } from '#data-plane/json/splice-json.ts';
import type { MessagesRequest } from './read-request.ts';

/** The body for a Messages provider: the client's own bytes under the provider's name of the model. */
export function providerMessagesBody(body: Buffer, request: MessagesRequest, providerModel: string): Buffer {
  const { start, end } = request.modelPlace;
  return spliceBytes(body, [{ start, end, bytes: Buffer.from(JSON.stringify(providerModel)) }]);
}
