/** The words of JSON Schema that Stripe's published types use. */
export interface TypeSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  anyOf?: readonly TypeSchema[];
  readonly items?: TypeSchema;
  readonly properties?: Readonly<Record<string, TypeSchema>>;
  readonly required?: readonly string[];
  additionalProperties?: boolean | TypeSchema;
}

export type Definitions = Readonly<Record<string, TypeSchema>>;

/** How a value is held against a schema. */
export interface TypeCheck {
  readonly definitions: Definitions;
  /** A form has only texts: numbers and booleans are written as they are read. */
  readonly fromForm: boolean;
}

/**
 * What is wrong with a value by one of two thousand definitions that lead to each other. Read as it goes: compiling what a
 * payment leads to takes ten seconds, and a value uses little of it.
 */
export function typeProblems(
  check: TypeCheck,
  schema: TypeSchema,
  value: unknown,
  place: string,
): readonly string[] {
  const at = (inner: TypeSchema, part: unknown, name: string) =>
    typeProblems(check, inner, part, `${place}.${name}`);
  if (schema.$ref !== undefined) {
    const name = decodeURIComponent(schema.$ref.replace('#/definitions/', ''));
    const target = check.definitions[name];
    return target ? typeProblems(check, target, value, place) : [`${place}: no definition ${name}`];
  }
  if (schema.anyOf) {
    const each = schema.anyOf.map((inner) => typeProblems(check, inner, value, place));
    return each.some((problems) => problems.length === 0) ? [] : (each.sort(byLength)[0] ?? []);
  }
  if (schema.const !== undefined && value !== schema.const)
    return [`${place} is not ${String(schema.const)}`];
  if (schema.enum && !schema.enum.includes(value)) return [`${place} is none of ${schema.enum.join(', ')}`];
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !typeNames(value, check.fromForm).some((name) => types.includes(name)))
    return [`${place} is no ${types.join(' or ')}`];
  if (Array.isArray(value))
    return value.flatMap((item, index) => (schema.items ? at(schema.items, item, String(index)) : []));
  if (value === null || typeof value !== 'object') return [];
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return [
    ...(schema.required ?? []).filter((name) => !(name in value)).map((name) => `${place} has no ${name}`),
    ...members.flatMap(([name, member]) => {
      const known = schema.properties?.[name];
      if (known) return at(known, member, name);
      if (schema.additionalProperties === false) return [`${place} knows no ${name}`];
      return typeof schema.additionalProperties === 'object'
        ? at(schema.additionalProperties, member, name)
        : [];
    }),
  ];
}

function byLength(left: readonly string[], right: readonly string[]): number {
  return left.length - right.length;
}

function typeNames(value: unknown, fromForm: boolean): readonly string[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  if (typeof value === 'number') return Number.isInteger(value) ? ['number', 'integer'] : ['number'];
  if (typeof value !== 'string' || !fromForm) return [typeof value];
  return [
    'string',
    ...(/^-?\d+(\.\d+)?$/.test(value) ? ['number'] : []),
    ...(/^-?\d+$/.test(value) ? ['integer'] : []),
    ...(value === 'true' || value === 'false' ? ['boolean'] : []),
  ];
}
