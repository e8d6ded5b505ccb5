import { readFileSync } from 'node:fs';
import path from 'node:path';
import Stripe from 'stripe';
import type { ApiRoute } from '#control-plane/development/fake-stripe/api-routes.ts';
import type { FormObject } from '#control-plane/development/fake-stripe/form-body.ts';
import { sharedMaterialFolder } from '#test/setup/settings.ts';
import { type Definitions, type TypeSchema, typeProblems } from './type-check.ts';

interface Operation {
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly schema: TypeSchema;
  }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: TypeSchema }> };
}

/** What Stripe publishes: the types of the version we use, and an older description of what the types leave out. */
export interface StripeSchema {
  /** What is wrong with the parameters of a request; empty when nothing is. */
  parameters(route: Pick<ApiRoute, 'method' | 'path' | 'parameters'>, form: FormObject): readonly string[];
  /** What is wrong with an object that the API answers or an event carries. */
  object(value: unknown): readonly string[];
}

const OBJECT_TYPES: Readonly<Record<string, string>> = {
  customer: 'Customer',
  payment_intent: 'PaymentIntent',
  payment_method: 'PaymentMethod',
  'checkout.session': 'Checkout.Session',
  refund: 'Refund',
  dispute: 'Dispute',
};

let schema: StripeSchema | undefined;

/** `undefined` where the published types are not at hand. */
export function publishedStripeSchema(): StripeSchema | undefined {
  const folder = sharedMaterialFolder();
  if (folder === undefined) return undefined;
  schema ??= readSchema(path.join(folder, 'specs', 'stripe'));
  return schema;
}

function readSchema(folder: string): StripeSchema {
  const read = (file: string) => JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
  const types: { definitions: Definitions } = read('types-2026-10-28.schema.json');
  for (const type of Object.values(types.definitions)) makeStrict(type);
  const older: { paths: Record<string, Record<string, Operation>> } = read('openapi-2023-08-16.json');
  const { definitions } = types;
  const named = (name: string): TypeSchema => ({ $ref: `#/definitions/${name}` });
  const typed = (name: string, value: unknown) =>
    typeProblems({ definitions, fromForm: false }, named(name), value, name);
  const object = (value: unknown): readonly string[] => {
    const { object: kind, data, type, api_version: version } = value as Record<string, unknown>;
    if (kind === 'list') return (data as unknown[]).flatMap(object);
    if (kind !== 'event') return typed(OBJECT_TYPES[String(kind)] ?? String(kind), value);
    return [
      ...typed('WebhookEndpointCreateParams.EnabledEvent', type),
      ...(version === Stripe.API_VERSION ? [] : [`The event says version ${String(version)}`]),
      ...object((data as { object: unknown }).object),
    ];
  };
  return {
    object,
    parameters: ({ method, path: place, parameters }, form) => {
      const wanted =
        parameters === undefined
          ? olderParameters(older.paths[place]?.[method.toLowerCase()], method)
          : named(parameters);
      if (wanted === undefined) return [`Nothing is published about ${method} ${place}`];
      return typeProblems({ definitions, fromForm: true }, wanted, form, parameters ?? place);
    },
  };
}

/** In TypeScript a member that does not exist is an error too, and "or any other string" is only advice for editors. */
function makeStrict(type: TypeSchema): void {
  if (type.properties && type.additionalProperties === undefined) type.additionalProperties = false;
  const listed = type.anyOf?.filter((each) => !JSON.stringify(each).includes('/OtherString"'));
  if (listed?.some((each) => JSON.stringify(each).includes('"const"'))) type.anyOf = listed;
}

function olderParameters(operation: Operation | undefined, method: string): TypeSchema | undefined {
  if (operation === undefined) return undefined;
  const inBody = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  if (method === 'POST') return inBody ?? { additionalProperties: false };
  const inQuery = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(inQuery.map((parameter) => [parameter.name, parameter.schema])),
  };
}
