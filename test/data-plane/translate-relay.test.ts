import { describe, expect, it } from 'vitest';
import { MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import { responsesClient } from '#data-plane/dialects/responses/responses-codec.ts';
import { TranslateRelay } from '#data-plane/lanes/translate-relay.ts';
import { fault } from '#shared/fault.ts';

/** A Messages provider's answer, relayed to a Responses client. */
function openRelay(): { relay: TranslateRelay; sent: () => string } {
  let sent = '';
  const relay = new TranslateRelay({
    writer: {
      write: (bytes) => {
        sent += bytes.toString('utf8');
      },
    },
    provider: MESSAGES_PROVIDER,
    issuer: 'anthropic',
    createEncoder: (write) =>
      responsesClient.createStreamEncoder(
        { idSeed: '0'.repeat(32), model: 'anthropic/one', createdAt: 1, body: { model: 'x', input: 'hi' } },
        write,
      ),
  });
  return { relay, sent: () => sent };
}

const event = (value: { type: string; [name: string]: unknown }): string =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
const start =
  event({
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'one',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 12, output_tokens: 1 },
    },
  }) + event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
const text = (words: string): string =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } });
const end =
  event({ type: 'content_block_stop', index: 0 }) +
  event({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 2 },
  }) +
  event({ type: 'message_stop' });

function sequenceNumbers(stream: string): number[] {
  return [...stream.matchAll(/"sequence_number":(\d+)/g)].map(([, number]) => Number(number));
}

describe('a translated stream', () => {
  it('charges a client that leaves early for the text it was sent, not for the count at the start', () => {
    const { relay } = openRelay();
    relay.push(Buffer.from(start + text('ünï'.repeat(100))));
    expect(relay.usage).toMatchObject({ input: 12, output: 125, source: 'estimated' });
  });

  it('charges what the provider counted once it has counted', () => {
    const { relay } = openRelay();
    expect(relay.push(Buffer.from(start + text('word '.repeat(100)) + end))).toBe('complete');
    expect(relay.usage).toMatchObject({ input: 12, output: 2, source: 'upstream' });
  });

  it('sends what came in the same read as a failure before it tells of the failure, without a gap in the numbers', () => {
    const { relay, sent } = openRelay();
    relay.push(Buffer.from(start + text('first ')));
    const failure = event({ type: 'error', error: { type: 'overloaded_error', message: 'busy' } });
    expect(relay.push(Buffer.from(text('second') + failure))).toBe('error');
    const whole = sent() + relay.faultBytes(fault('provider_error', 'broken')).toString('utf8');
    expect(whole).toContain('"delta":"second"');
    expect(whole).toContain('event: error');
    const numbers = sequenceNumbers(whole);
    expect(numbers).toEqual(numbers.map((_, index) => index));
  });

  it('is the same for every split of the provider’s bytes', () => {
    const bytes = Buffer.from(start + text('grüße 👋') + end);
    const relayed = (split: number): string => {
      const { relay, sent } = openRelay();
      relay.push(bytes.subarray(0, split));
      expect(relay.push(bytes.subarray(split))).toBe('complete');
      return sent() + relay.lastBytes().toString('utf8');
    };
    const unsplit = relayed(0);
    for (let split = 1; split < bytes.length; split += 1) expect(relayed(split)).toBe(unsplit);
  });

  it('counts a stream that stops without its end as cut', () => {
    const { relay } = openRelay();
    relay.push(Buffer.from(start + text('half')));
    expect(relay.finish()).toBe('error');
  });
});
