import type {
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  GraphQLObjectType,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
  ValueNode,
} from 'graphql';
import { DEFAULT_PAGE_SIZE } from './page-limits.ts';

interface Request {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
}

/**
 * How many objects the pages of a request may hold together at most, known before anything runs: the size of each page
 * times the sizes of those around it. Page sizes in variables count like those written out.
 */
export function countObjects(request: Request): number {
  const operation = operationOf(request);
  if (!operation) return 0;
  const root = request.schema.getRootType(operation.operation);
  return root ? new ObjectCounter(request, operation).within(operation.selectionSet, root.name) : 0;
}

/** The operation of the document that is to run. */
export function operationOf({
  document,
  operationName,
}: Pick<Request, 'document' | 'operationName'>): OperationDefinitionNode | undefined {
  return document.definitions.find(
    (definition): definition is OperationDefinitionNode =>
      definition.kind === 'OperationDefinition' &&
      (operationName === undefined || definition.name?.value === operationName),
  );
}

/** How many objects the lists of an answer hold, but at most `max`, where it stops counting. */
export function countReturned(data: unknown, max: number): number {
  if (data === null || typeof data !== 'object') return 0;
  let count = 0;
  for (const member of Array.isArray(data) ? data : Object.values(data)) {
    if (member === null || typeof member !== 'object') continue;
    count += (Array.isArray(data) ? 1 : 0) + countReturned(member, max - count);
    if (count >= max) return max;
  }
  return count;
}

class ObjectCounter {
  readonly #request: Request;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #defaults = new Map<string, ValueNode>();
  /** Fragments are counted once: spread into each other twice over, they would take for ever. */
  readonly #counted = new Map<string, number>();

  constructor(request: Request, operation: OperationDefinitionNode) {
    this.#request = request;
    for (const { variable, defaultValue } of operation.variableDefinitions ?? [])
      if (defaultValue) this.#defaults.set(variable.name.value, defaultValue);
    for (const definition of request.document.definitions)
      if (definition.kind === 'FragmentDefinition') this.#fragments.set(definition.name.value, definition);
  }

  within(selectionSet: SelectionSetNode, typeName: string): number {
    let total = 0;
    for (const selection of selectionSet.selections) {
      if (selection.kind === 'Field') total += this.#field(selection, typeName);
      else if (selection.kind === 'FragmentSpread') total += this.#fragment(selection.name.value);
      else total += this.within(selection.selectionSet, selection.typeCondition?.name.value ?? typeName);
    }
    return total;
  }

  #fragment(name: string): number {
    const known = this.#counted.get(name);
    const fragment = this.#fragments.get(name);
    if (known !== undefined || !fragment) return known ?? 0;
    const count = this.within(fragment.selectionSet, fragment.typeCondition.name.value);
    this.#counted.set(name, count);
    return count;
  }

  #field(field: FieldNode, parentName: string): number {
    const typeName = this.#typeOf(field.name.value, parentName);
    if (!field.selectionSet || typeName === undefined) return 0;
    const inner = this.within(field.selectionSet, typeName);
    if (typeName.endsWith('Connection')) return this.#pageSize(field) * (1 + inner);
    const ids = field.arguments?.find((argument) => argument.name.value === 'ids');
    const list = ids && this.#valueOf(ids.value);
    return Array.isArray(list) ? list.length * (1 + inner) : inner;
  }

  /** The name of a field's type without its list and non-null marks. */
  #typeOf(fieldName: string, parentName: string): string | undefined {
    const parent = this.#request.schema.getType(parentName) as Partial<GraphQLObjectType> | undefined;
    return parent
      ?.getFields?.()
      [fieldName]?.type.toString()
      .replaceAll(/[[\]!]/g, '');
  }

  #pageSize(field: FieldNode): number {
    for (const argument of field.arguments ?? [])
      if (argument.name.value === 'first' || argument.name.value === 'last') {
        const size = this.#valueOf(argument.value);
        if (typeof size === 'number') return Math.max(size, 0);
      }
    return DEFAULT_PAGE_SIZE;
  }

  #valueOf(node: ValueNode): unknown {
    if (node.kind === 'Variable') {
      const given = this.#request.variables[node.name.value];
      const fallback = this.#defaults.get(node.name.value);
      return given === undefined && fallback ? this.#valueOf(fallback) : given;
    }
    if (node.kind === 'IntValue') return Number(node.value);
    if (node.kind === 'ListValue') return node.values;
    return undefined;
  }
}
