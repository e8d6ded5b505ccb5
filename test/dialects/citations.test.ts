import { describe, expect, it } from 'vitest';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import {
  dropForeignReasoning,
  mayHoldForeignReasoning,
} from '#data-plane/dialects/messages/foreign-reasoning.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { bodyFor } from './cells/recorded-cells.ts';
import { playBody } from './provider-recordings.ts';

const URL = 'https://example.org/a';
const TEXT = 'Water boils. It boils at 100 °C.';
const PASSAGE = 'It boils at 100 °C.';
const START = TEXT.indexOf(PASSAGE);

/** One answer that rests on one page, as each protocol says it. */
const ANSWERS: Readonly<Record<ProviderProtocol, JsonObject>> = {
  chat: {
    id: 'c',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: {
          content: TEXT,
          annotations: [
            {
              type: 'url_citation',
              url_citation: { url: URL, title: 'A', start_index: START, end_index: TEXT.length },
            },
          ],
        },
      },
    ],
  },
  responses: {
    id: 'r',
    status: 'completed',
    output: [
      {
        type: 'message',
        id: 'm',
        role: 'assistant',
        content: [
          {
            type: 'output_text',
            text: TEXT,
            annotations: [
              { type: 'url_citation', url: URL, title: 'A', start_index: START, end_index: TEXT.length },
            ],
          },
        ],
      },
    ],
  },
  gemini: {
    candidates: [
      {
        content: { parts: [{ text: TEXT }] },
        finishReason: 'STOP',
        groundingMetadata: {
          groundingChunks: [{ web: { uri: URL, title: 'A' } }],
          groundingSupports: [{ segment: { text: PASSAGE }, groundingChunkIndices: [0] }],
        },
      },
    ],
  },
  messages: {
    type: 'message',
    stop_reason: 'end_turn',
    content: [
      { type: 'text', text: TEXT.slice(0, START) },
      {
        type: 'text',
        text: PASSAGE,
        citations: [
          {
            type: 'web_search_result_location',
            url: URL,
            title: 'A',
            cited_text: 'at 100 degrees',
            encrypted_index: 'Eo8B',
          },
        ],
      },
    ],
  },
};
const protocols = Object.keys(ANSWERS) as ProviderProtocol[];
const eventsOf = (protocol: ProviderProtocol, body = ANSWERS[protocol]) =>
  playBody(providerCodecs[protocol], body);

function annotationsOf(body: JsonObject): JsonObject[] {
  const message = objectOf(objectsOf(body.choices)[0]?.message);
  return objectsOf(message?.annotations).map((annotation) => objectOf(annotation.url_citation) ?? {});
}

function outputAnnotations(body: JsonObject): JsonObject[] {
  return objectsOf(body.output).flatMap(({ content }) =>
    objectsOf(content).flatMap(({ annotations }) => [...objectsOf(annotations)]),
  );
}

function blockCitations(body: JsonObject): JsonObject[] {
  return objectsOf(body.content).flatMap(({ citations }) => [...objectsOf(citations)]);
}

describe('a page that an answer rests on', () => {
  it.each(protocols)('is named with its passage by %s to chat clients', (protocol) => {
    expect(annotationsOf(bodyFor('chat', eventsOf(protocol)))).toEqual([
      { url: URL, title: 'A', start_index: START, end_index: TEXT.length },
    ]);
  });

  it.each(protocols)('is named with its passage by %s to Responses clients', (protocol) => {
    // Blocks of Messages are parts of their own, in which places count anew.
    const before = protocol === 'messages' ? START : 0;
    expect(outputAnnotations(bodyFor('responses', eventsOf(protocol)))).toEqual([
      {
        type: 'url_citation',
        url: URL,
        title: 'A',
        start_index: START - before,
        end_index: TEXT.length - before,
      },
    ]);
  });

  it.each(protocols)('is named by %s to Messages clients', (protocol) => {
    const [citation, ...others] = blockCitations(bodyFor('messages', eventsOf(protocol)));
    expect(others).toEqual([]);
    expect(citation).toMatchObject({ type: 'web_search_result_location', url: URL, title: 'A' });
    if (protocol === 'messages') expect(citation?.encrypted_index).toBe('Eo8B');
  });

  it.each(protocols)(
    'named by %s does not stand in the way when its client moves to Anthropic',
    (protocol) => {
      const { content } = bodyFor('messages', eventsOf(protocol));
      const history = {
        messages: [
          { role: 'user', content: 'x' },
          { role: 'assistant', content: content ?? [] },
        ],
      };
      const isForeign = protocol !== 'messages';
      expect(mayHoldForeignReasoning(Buffer.from(JSON.stringify(history)))).toBe(isForeign);
      const cleaned = dropForeignReasoning(history)?.body;
      expect(cleaned === undefined).toBe(!isForeign);
      if (isForeign) expect(objectsOf(cleaned?.messages)[1]?.content).toEqual([{ type: 'text', text: TEXT }]);
    },
  );
});

describe('a source without an address', () => {
  const place = {
    type: 'char_location',
    cited_text: 'x',
    document_index: 0,
    document_title: 'a.txt',
    start_char_index: 0,
    end_char_index: 1,
    file_id: null,
  };
  const file = { type: 'file_citation', file_id: 'file_1', filename: 'a.txt', index: 3 };
  const cited: Readonly<Record<'messages' | 'responses', JsonObject>> = {
    messages: { ...ANSWERS.messages, content: [{ type: 'text', text: TEXT, citations: [place] }] },
    responses: {
      ...ANSWERS.responses,
      output: [
        { type: 'message', id: 'm', content: [{ type: 'output_text', text: TEXT, annotations: [file] }] },
      ],
    },
  };

  it('is told to clients of its own protocol as it came', () => {
    expect(blockCitations(bodyFor('messages', eventsOf('messages', cited.messages)))).toEqual([place]);
    expect(outputAnnotations(bodyFor('responses', eventsOf('responses', cited.responses)))).toEqual([file]);
  });

  it('is left out elsewhere, where nothing could name it', () => {
    expect(outputAnnotations(bodyFor('responses', eventsOf('messages', cited.messages)))).toEqual([]);
    expect(blockCitations(bodyFor('messages', eventsOf('responses', cited.responses)))).toEqual([]);
    for (const protocol of ['messages', 'responses'] as const)
      expect(annotationsOf(bodyFor('chat', eventsOf(protocol, cited[protocol])))).toEqual([]);
  });
});

describe('sources that a chat provider lists beside its answer', () => {
  const choices = [{ index: 0, message: { content: TEXT }, finish_reason: 'stop' }];

  it.each<[string, JsonObject]>([
    ['with titles', { search_results: [{ url: URL, title: 'A' }], citations: [URL] }],
    ['as bare addresses', { citations: [URL] }],
  ])('%s are sources of the whole text', (_form, beside) => {
    expect(annotationsOf(bodyFor('chat', eventsOf('chat', { id: 'c', choices, ...beside })))).toMatchObject([
      { url: URL, start_index: 0, end_index: TEXT.length },
    ]);
  });

  it('are not repeated when the text cites them itself', () => {
    const body = { ...ANSWERS.chat, citations: [URL, 'https://example.org/b'] };
    expect(annotationsOf(bodyFor('chat', eventsOf('chat', body)))).toHaveLength(1);
  });

  it('may be flat', () => {
    const flat = { type: 'url_citation', url: URL, title: 'A', start_index: 0, end_index: 5 };
    const message = { content: TEXT, annotations: [flat] };
    const body = { id: 'c', choices: [{ index: 0, message, finish_reason: 'stop' }] };
    expect(annotationsOf(bodyFor('chat', eventsOf('chat', body)))).toEqual([
      { url: URL, title: 'A', start_index: 0, end_index: 5 },
    ]);
  });
});
