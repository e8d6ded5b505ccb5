import { spliceBytes } from '#data-plane/json/splice-json.ts';
import type { ResponsesRequest } from './read-request.ts';

/**
 * The body for a Responses provider: the client's own bytes under the provider's name of the model. `store` stays as the
 * client has it: whether its answer may be kept is the client's to say.
 */
export function providerResponsesBody(
  body: Buffer,
  request: ResponsesRequest,
  providerModel: string,
): Buffer {
  const { start, end } = request.modelPlace;
  return spliceBytes(body, [{ start, end, bytes: Buffer.from(JSON.stringify(providerModel)) }]);
}
