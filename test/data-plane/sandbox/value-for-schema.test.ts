import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '#data-plane/sandbox/turn.ts';
import { valueForSchema } from '#data-plane/sandbox/value-for-schema.ts';
import { hintsFrom } from '#data-plane/sandbox/value-hints.ts';

const addFormats = addFormatsModule.default;

const ajv = new Ajv2020({ strict: false, addUsedSchema: false });
addFormats(ajv);
const validatorOf = (schema: JsonSchema) => ajv.compile(schema);

const leaf: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc.constantFrom<JsonSchema>(
    { type: 'boolean' },
    { type: 'null' },
    { const: 7 },
    { enum: ['a', 'b', 3] },
    true,
  ),
  fc.record({ low: fc.integer({ min: -50, max: 50 }), width: fc.nat(40) }).map(({ low, width }) => ({
    type: 'integer',
    minimum: low,
    maximum: low + width,
  })),
  fc
    .integer({ min: -9, max: 9 })
    .map((low) => ({ type: 'number', exclusiveMinimum: low, exclusiveMaximum: low + 3 })),
  fc.integer({ min: 1, max: 7 }).map((step) => ({ type: 'integer', multipleOf: step, minimum: 10 })),
  fc.record({ low: fc.nat(30), width: fc.nat(10) }).map(({ low, width }) => ({
    type: 'string',
    minLength: low,
    maxLength: low + width,
  })),
  fc.constantFrom('date', 'date-time', 'email', 'uuid', 'uri', 'ipv4', 'time', 'hostname').map((format) => ({
    type: 'string',
    format,
  })),
  fc
    .constantFrom(
      '^[a-z]{3,5}$',
      '^\\+?\\d{7,15}$',
      '^(red|green)-[0-9A-F]{6}$',
      '^v\\d+\\.\\d+(?:\\.\\d+)?$',
      '^\\S+@\\S+$',
    )
    .map((pattern) => ({ type: 'string', pattern })),
);

const { schema: anySchema } = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.record({ items: tie('schema'), minItems: fc.nat(4) }).map((part) => ({ type: 'array', ...part })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((branches) => ({ anyOf: branches })),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie('schema'), { maxKeys: 4 }).map((properties) => ({
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    })),
  ),
}));

describe('a value made for a schema', () => {
  it('satisfies the schema, whatever the schema and whatever the user wrote', () => {
    fc.assert(
      fc.property(anySchema, fc.string(), fc.boolean(), (schema, text, fillOptional) => {
        const value = valueForSchema(schema, hintsFrom(text, undefined), fillOptional);
        const validate = validatorOf(schema);
        expect(validate(value), JSON.stringify({ schema, value, errors: validate.errors })).toBe(true);
      }),
      { numRuns: 150 },
    );
  }, 30_000);

  it('takes from the words of the user what fits: names, numbers, dates, choices', () => {
    const schema: JsonSchema = {
      type: 'object',
      properties: {
        destination: { type: 'string' },
        date: { type: 'string' },
        passengers: { type: 'integer', minimum: 1 },
        cabin: { enum: ['economy', 'business'] },
        comment: { type: 'string' },
      },
      required: ['destination', 'date', 'passengers'],
    };
    const text = 'Book 2 business seats to New York on 2026-03-04';
    expect(valueForSchema(schema, hintsFrom(text.replace('2 b', '3 b'), undefined), false)).toEqual({
      destination: 'New York',
      date: '2026-03-04',
      passengers: 3,
      cabin: 'business',
    });
  });

  it('ends in a schema that contains itself', () => {
    const schema: JsonSchema = {
      $defs: {
        node: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            children: { type: 'array', items: { $ref: '#/$defs/node' } },
          },
          required: ['name', 'children'],
        },
      },
      $ref: '#/$defs/node',
    };
    expect(validatorOf(schema)(valueForSchema(schema, hintsFrom('', undefined), true))).toBe(true);
  });
});
