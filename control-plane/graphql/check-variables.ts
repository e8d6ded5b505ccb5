import type {
  GraphQLEnumType,
  GraphQLError,
  GraphQLInputObjectType,
  GraphQLInputType,
  GraphQLScalarType,
  GraphQLSchema,
  OperationDefinitionNode,
  TypeNode,
} from 'graphql';
import { apiError } from './api-error.ts';

const MAX_ERRORS = 5;
/** Of what a caller has sent, and of what a scalar says about it. */
const MAX_QUOTE_LENGTH = 200;

/**
 * What is wrong with the values of the variables, at most five things. The executor would find out too, but names up to 50
 * errors and repeats the whole value, which may be 2 MB and may be secret, in each of them.
 */
export function variableErrors(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): GraphQLError[] {
  const check = new VariableCheck();
  for (const { variable, type } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    if (Object.hasOwn(variables, name)) check.value(variables[name], shapeOfNode(type, schema), `$${name}`);
  }
  return check.errors;
}

/** A type by what it takes, wherever it is written down: told by its members, because classes differ between copies. */
type Shape =
  | { readonly kind: 'required'; readonly of: () => Shape }
  | { readonly kind: 'list'; readonly of: () => Shape }
  | { readonly kind: 'named'; readonly type: GraphQLScalarType | GraphQLEnumType | GraphQLInputObjectType };

function shapeOfNode(node: TypeNode, schema: GraphQLSchema): Shape {
  if (node.kind === 'NonNullType') return { kind: 'required', of: () => shapeOfNode(node.type, schema) };
  if (node.kind === 'ListType') return { kind: 'list', of: () => shapeOfNode(node.type, schema) };
  // Validation has seen to it that variables have input types.
  return { kind: 'named', type: schema.getType(node.name.value) as GraphQLScalarType };
}

function shapeOf(type: GraphQLInputType): Shape {
  if (!('ofType' in type)) return { kind: 'named', type };
  const of = () => shapeOf(type.ofType as GraphQLInputType);
  return { kind: type.toString().endsWith('!') ? 'required' : 'list', of };
}

class VariableCheck {
  readonly errors: GraphQLError[] = [];

  value(value: unknown, shape: Shape, path: string): void {
    if (this.errors.length >= MAX_ERRORS) return;
    if (shape.kind === 'required') {
      if (value === null || value === undefined) this.#refuse(path, 'must not be null.');
      else this.value(value, shape.of(), path);
    } else if (value === null || value === undefined) return;
    else if (shape.kind === 'list') this.#list(value, shape.of(), path);
    else if ('getFields' in shape.type) this.#object(value, shape.type, path);
    else this.#leaf(value, shape.type, path);
  }

  #list(value: unknown, of: Shape, path: string): void {
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (const [index, item] of items.entries()) {
      if (this.errors.length >= MAX_ERRORS) return;
      this.value(item, of, `${path}[${index}]`);
    }
  }

  #object(value: unknown, type: GraphQLInputObjectType, path: string): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#refuse(path, `must be an object, a ${type.name}.`);
      return;
    }
    const fields = type.getFields();
    for (const name of Object.keys(value)) {
      if (this.errors.length >= MAX_ERRORS) return;
      if (!Object.hasOwn(fields, name)) this.#refuse(path, `has a field "${quote(name)}" too many.`);
    }
    for (const field of Object.values(fields)) {
      const member: unknown = Object.hasOwn(value, field.name) ? Reflect.get(value, field.name) : undefined;
      // A field with a default may be left out, but not be null where null is not allowed.
      if (member !== undefined || field.defaultValue === undefined)
        this.value(member, shapeOf(field.type), `${path}.${field.name}`);
    }
  }

  #leaf(value: unknown, type: GraphQLScalarType | GraphQLEnumType, path: string): void {
    try {
      type.parseValue(value);
    } catch (error) {
      this.#refuse(path, error instanceof Error ? quote(withoutSuggestion(error.message)) : 'is malformed.');
    }
  }

  #refuse(path: string, reason: string): void {
    if (this.errors.length < MAX_ERRORS)
      this.errors.push(apiError('BAD_USER_INPUT', `Variable "${path}": ${reason}`, 400));
  }
}

/** Suggestions would tell strangers names of the schema. */
function withoutSuggestion(message: string): string {
  return message.replace(/ Did you mean .*$/s, '');
}

function quote(text: string): string {
  return text.length <= MAX_QUOTE_LENGTH ? text : `${text.slice(0, MAX_QUOTE_LENGTH)}…`;
}
