import { describe, expect, it } from 'vitest';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { bodyFor } from '#test/dialects/cells/recorded-cells.ts';
import { playBody } from '#test/dialects/provider-recordings.ts';

const IMAGE = { type: 'image_url', image_url: { url: 'data:image/webp;base64,UklG' } };

function imagesOf(protocol: 'chat' | 'gemini' | 'responses', body: JsonObject): unknown {
  const answer = bodyFor('chat', playBody(providerCodecs[protocol], body));
  return objectOf(objectsOf(answer.choices)[0]?.message)?.images;
}

describe('a picture that a model has drawn', () => {
  it('is told to chat clients, whatever the protocol of the model', () => {
    const parts = [{ text: 'Here.' }, { inlineData: { mimeType: 'image/webp', data: 'UklG' } }];
    expect(imagesOf('gemini', { candidates: [{ content: { parts }, finishReason: 'STOP' }] })).toEqual([
      IMAGE,
    ]);
    const item = {
      type: 'image_generation_call',
      id: 'ig_1',
      status: 'completed',
      output_format: 'webp',
      result: 'UklG',
    };
    expect(imagesOf('responses', { id: 'r', status: 'completed', output: [item] })).toEqual([IMAGE]);
    const message = { content: 'Here.', images: [IMAGE] };
    expect(imagesOf('chat', { id: 'c', choices: [{ message, finish_reason: 'stop' }] })).toEqual([IMAGE]);
  });

  it('is not made of other things that only their own protocol knows', () => {
    const parts = [
      { text: 'Hm' },
      { inlineData: { mimeType: 'audio/wav', data: 'UklG' } },
      { executableCode: { code: 'x' } },
    ];
    expect(
      imagesOf('gemini', { candidates: [{ content: { parts }, finishReason: 'STOP' }] }),
    ).toBeUndefined();
    const item = { type: 'image_generation_call', id: 'ig_1', status: 'failed', result: null };
    expect(imagesOf('responses', { id: 'r', status: 'completed', output: [item] })).toBeUndefined();
  });
});
