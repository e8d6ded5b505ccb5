import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import { enforceableSchema } from '#data-plane/dialects/messages/output-schema.ts';
import type { JsonObject, OutputFormat } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';

const TARGET = {
  providerModel: 'claude',
  vendor: 'anthropic',
  maxOutputTokens: 100,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: false },
};

function bodyFor(format: OutputFormat, structuredOutput?: boolean): JsonObject {
  const messages = [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }] as const;
  const capabilities =
    structuredOutput === undefined ? TARGET.capabilities : { ...TARGET.capabilities, structuredOutput };
  const turn = { stream: false, messages, tools: [], extras: {}, format };
  const encoded = MESSAGES_PROVIDER.encodeRequest(turn, { ...TARGET, capabilities });
  if (isFault(encoded)) throw new Error(encoded.message);
  return encoded.body;
}

const POINT = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] };

describe('an output schema at a Messages provider', () => {
  it('is closed, and what cannot be enforced is told in words', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        age: { type: 'integer', minimum: 1, description: 'In years.' },
        mail: { type: 'string', format: 'email' },
        code: { type: 'string', format: 'isbn', pattern: '^9' },
        tags: { type: 'array', items: { type: 'string' }, minItems: 2 },
        place: { oneOf: [{ $ref: '#/$defs/point' }, { type: 'null' }] },
      },
      required: ['age'],
      $defs: { point: POINT },
    };
    const rewritten = enforceableSchema(schema);
    expect(rewritten).toEqual({
      optionalProperties: 4,
      unions: 1,
      schema: {
        type: 'object',
        properties: {
          age: { type: 'integer', description: 'In years.\n\n{minimum: 1}' },
          mail: { type: 'string', format: 'email' },
          code: { type: 'string', description: '{pattern: "^9", format: "isbn"}' },
          tags: { type: 'array', items: { type: 'string' }, description: '{minItems: 2}' },
          place: { anyOf: [{ $ref: '#/$defs/point' }, { type: 'null' }] },
        },
        required: ['age'],
        additionalProperties: false,
        $defs: { point: { ...POINT, additionalProperties: false } },
      },
    });
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(rewritten?.schema ?? {});
    expect(validate({ age: 3, place: { x: 1 } })).toBe(true);
    expect(validate({ age: 3, other: 1 })).toBe(false);
  });

  it.each<[string, JsonObject]>([
    ['a free-form object', { type: 'object' }],
    ['a map', { type: 'object', additionalProperties: { type: 'string' } }],
    ['any value', {}],
    ['an array of anything', { type: 'array' }],
    ['a tuple', { type: 'array', items: { type: 'string' }, prefixItems: [{ type: 'number' }] }],
    ['a reference to the outside', { $ref: 'https://example.org/schema' }],
    ['itself', { $ref: '#' }],
    [
      'a recursive definition',
      {
        $ref: '#/$defs/a',
        $defs: {
          a: { type: 'object', properties: { b: { $ref: '#/$defs/b' } } },
          b: { type: 'array', items: { $ref: '#/$defs/a' } },
        },
      },
    ],
    ['nonsense', { type: 'object', properties: { a: 1 } }],
  ])('that allows %s cannot be enforced', (_what, schema) => {
    expect(enforceableSchema(schema)).toBeUndefined();
  });

  it('is enforced where the model can, asked for in the prompt where it cannot', () => {
    const format = { kind: 'json_schema', schema: POINT } as const;
    const closed = { ...POINT, additionalProperties: false };
    expect(bodyFor(format)).toMatchObject({
      output_config: { format: { type: 'json_schema', schema: closed } },
    });
    const asked = bodyFor(format, false);
    expect(asked).not.toHaveProperty('output_config');
    expect(JSON.stringify(asked.system)).toContain(JSON.stringify(JSON.stringify(POINT)).slice(1, -1));
    const free = bodyFor({ kind: 'json_schema', schema: { type: 'object' } });
    expect(free).not.toHaveProperty('output_config');
    expect(free).toHaveProperty('system');
  });

  it('of no kind but JSON is asked for in the prompt, and text needs no asking', () => {
    expect(JSON.stringify(bodyFor({ kind: 'json_object' }).system)).toContain('JSON object');
    expect(bodyFor({ kind: 'text' })).not.toHaveProperty('system');
  });
});
