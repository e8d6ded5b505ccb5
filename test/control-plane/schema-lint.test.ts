import { readFile } from 'node:fs/promises';
import {
  type DocumentNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
  parse,
  type TypeDefinitionNode,
  type TypeNode,
} from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';

/** The rules that linters of GraphQL schemas recommend, over the printed schema. A rule returns the places that break it. */
type Field = FieldDefinitionNode | InputValueDefinitionNode;
type Rule = (type: TypeDefinitionNode, types: ReadonlyMap<string, TypeDefinitionNode>) => string[];

const SCHEMA_FILE = 'control-plane/graphql/schema.graphql';
const ROOTS = new Set(['Query', 'Mutation', 'Subscription']);

const fieldsOf = (type: TypeDefinitionNode): readonly Field[] =>
  'fields' in type ? (type.fields ?? []) : [];
const argumentsOf = (field: Field): readonly InputValueDefinitionNode[] =>
  'arguments' in field ? (field.arguments ?? []) : [];
const nameOf = (node: { readonly name: { readonly value: string } }) => node.name.value;

function printed(type: TypeNode): string {
  if (type.kind === 'NonNullType') return `${printed(type.type)}!`;
  return type.kind === 'ListType' ? `[${printed(type.type)}]` : nameOf(type);
}
const bare = (type: TypeNode) => printed(type).replaceAll(/[[\]!]/g, '');

/** `field: type` of a type's field; '' where it has none. */
function typeOfField(type: TypeDefinitionNode, name: string): string {
  const field = fieldsOf(type).find((each) => nameOf(each) === name);
  return field ? printed(field.type) : '';
}

const where = (type: TypeDefinitionNode, ...names: string[]) => [nameOf(type), ...names].join('.');

const RULES: Readonly<Record<string, Rule>> = {
  'require-description': (type) => [
    ...(type.description ? [] : [where(type)]),
    ...fieldsOf(type).flatMap((field) => [
      ...(field.description ? [] : [where(type, nameOf(field))]),
      ...argumentsOf(field).flatMap((each) =>
        each.description ? [] : [where(type, nameOf(field), nameOf(each))],
      ),
    ]),
    ...('values' in type ? (type.values ?? []) : []).flatMap((each) =>
      each.description ? [] : [where(type, nameOf(each))],
    ),
  ],
  'naming-convention': (type) => [
    ...(/^[A-Z][A-Za-z0-9]*$/.test(nameOf(type)) &&
    !/^(Type|Enum|Interface|Union)[A-Z]|(Type|Enum|Interface|Union)$/.test(nameOf(type))
      ? []
      : [where(type)]),
    ...fieldsOf(type).flatMap((field) => [
      ...(/^[a-z][A-Za-z0-9]*$/.test(nameOf(field)) ? [] : [where(type, nameOf(field))]),
      ...argumentsOf(field).flatMap((each) =>
        /^[a-z][A-Za-z0-9]*$/.test(nameOf(each)) ? [] : [where(type, nameOf(field), nameOf(each))],
      ),
    ]),
    ...('values' in type ? (type.values ?? []) : []).flatMap((each) =>
      /^[A-Z][A-Z0-9_]*$/.test(nameOf(each)) ? [] : [where(type, nameOf(each))],
    ),
  ],
  'no-root-affixes': (type) =>
    ROOTS.has(nameOf(type))
      ? fieldsOf(type).flatMap((field) =>
          /^(get|query|fetch|list|mutation|subscription)([A-Z]|$)|(Query|Mutation|Subscription)$/.test(
            nameOf(field),
          )
            ? [where(type, nameOf(field))]
            : [],
        )
      : [],
  'no-typename-prefix': (type) =>
    ROOTS.has(nameOf(type)) || type.kind === 'InputObjectTypeDefinition'
      ? []
      : fieldsOf(type).flatMap((field) =>
          nameOf(field).toLowerCase().startsWith(nameOf(type).toLowerCase())
            ? [where(type, nameOf(field))]
            : [],
        ),
  'strict-id-in-types': (type) =>
    type.kind === 'ObjectTypeDefinition' &&
    type.interfaces?.some((each) => nameOf(each) === 'Node') &&
    typeOfField(type, 'id') !== 'ID!'
      ? [where(type)]
      : [],
  'unique-enum-value-names': (type) => {
    const names = ('values' in type ? (type.values ?? []) : []).map((each) => nameOf(each).toLowerCase());
    return new Set(names).size === names.length ? [] : [where(type)];
  },
  'require-deprecation-reason': (type) =>
    fieldsOf(type).flatMap((field) =>
      field.directives?.some((each) => nameOf(each) === 'deprecated' && !each.arguments?.length)
        ? [where(type, nameOf(field))]
        : [],
    ),
  'input-name': (type) =>
    nameOf(type) === 'Mutation'
      ? fieldsOf(type).flatMap((field) => {
          const expected = `${nameOf(field).charAt(0).toUpperCase()}${nameOf(field).slice(1)}Input!`;
          const [only, ...others] = argumentsOf(field);
          return only && nameOf(only) === 'input' && printed(only.type) === expected && others.length === 0
            ? []
            : [where(type, nameOf(field))];
        })
      : [],
  'relay-connection-types': (type) => {
    const isConnection =
      /^\[\w+Edge!?\]!?$/.test(typeOfField(type, 'edges')) && typeOfField(type, 'pageInfo') === 'PageInfo!';
    return nameOf(type).endsWith('Connection') === isConnection ? [] : [where(type)];
  },
  'relay-edge-types': (type) => {
    const isEdge = typeOfField(type, 'cursor') === 'String!' && typeOfField(type, 'node') !== '';
    return nameOf(type).endsWith('Edge') === isEdge ? [] : [where(type)];
  },
  'relay-page-info': (type) =>
    nameOf(type) === 'PageInfo' &&
    ['hasNextPage', 'hasPreviousPage', 'startCursor', 'endCursor']
      .map((name) => typeOfField(type, name))
      .join() !== 'Boolean!,Boolean!,String,String'
      ? [where(type)]
      : [],
  'relay-arguments': (type) =>
    fieldsOf(type).flatMap((field) => {
      if (!bare(field.type).endsWith('Connection')) return [];
      const given = new Map(argumentsOf(field).map((each) => [nameOf(each), printed(each.type)]));
      const pages =
        (['first', 'last'] as const).every((name) => given.get(name) === 'Int') &&
        (['after', 'before'] as const).every((name) => given.get(name) === 'String');
      return pages && printed(field.type).endsWith('!') ? [] : [where(type, nameOf(field))];
    }),
};

let document: DocumentNode;
let text: string;
let types: Map<string, TypeDefinitionNode>;
beforeAll(async () => {
  text = await readFile(SCHEMA_FILE, 'utf8');
  document = parse(text);
  types = new Map(
    document.definitions
      .filter((node): node is TypeDefinitionNode => 'name' in node && node.kind.endsWith('TypeDefinition'))
      .map((node) => [nameOf(node), node]),
  );
});

describe('the printed schema keeps the rule', () => {
  it.each(Object.keys(RULES))('%s', (name) => {
    expect([...types.values()].flatMap((type) => RULES[name]?.(type, types) ?? [name])).toEqual([]);
  });

  it('no-unreachable-types', () => {
    const reached = new Set<string>();
    const visit = (name: string): void => {
      const type = types.get(name);
      if (!type || reached.has(name)) return;
      reached.add(name);
      for (const field of fieldsOf(type))
        for (const each of [field, ...argumentsOf(field)]) visit(bare(each.type));
      if (type.kind === 'InterfaceTypeDefinition')
        for (const other of types.values())
          if ('interfaces' in other && other.interfaces?.some((each) => nameOf(each) === name))
            visit(nameOf(other));
    };
    for (const root of ROOTS) visit(root);
    expect([...types.keys()].filter((name) => !reached.has(name))).toEqual([]);
  });

  it('no-hashtag-description', () => {
    expect(text.split('\n').filter((line) => line.trimStart().startsWith('#'))).toEqual([]);
  });
});

describe('a rule', () => {
  it.each<[string, string]>([
    ['require-description', 'type A { "x" b: Int }'],
    ['naming-convention', '"x" type a_b { "x" B: Int }'],
    ['no-root-affixes', 'type Query { getThing: Int }'],
    ['no-typename-prefix', 'type Thing { thingName: Int }'],
    ['strict-id-in-types', 'type Thing implements Node { id: String }'],
    ['unique-enum-value-names', 'enum A { B b }'],
    ['require-deprecation-reason', 'type A { b: Int @deprecated }'],
    ['input-name', 'type Mutation { thingMake(data: Int): Int }'],
    ['relay-connection-types', 'type ThingConnection { edges: [Int] }'],
    ['relay-edge-types', 'type ThingEdge { node: Int }'],
    ['relay-page-info', 'type PageInfo { hasNextPage: Boolean }'],
    ['relay-arguments', 'type A { things: ThingConnection }'],
  ])('%s can be broken', (name, source) => {
    const broken = parse(source).definitions.filter((node): node is TypeDefinitionNode => 'name' in node);
    expect(broken.flatMap((type) => RULES[name]?.(type, new Map()) ?? [])).not.toEqual([]);
  });
});
