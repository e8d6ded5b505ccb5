import { type ClientField, type ClientFieldList, type PathStep, pathSteps } from './client-field.ts';
import { isJsonObject, textOf } from './json-access.ts';
import type { JsonObject, JsonValue } from './turn.ts';

/** The fields of a dialect as a tree, so that a body is read against all of them in one walk. */
export interface FieldTree {
  readonly root: FieldNode;
  readonly impliedTypes: Readonly<Record<string, string>>;
}

interface FieldNode {
  readonly members: Map<string, FieldNode>;
  /** Nodes of a list's elements by type; `''` holds for all. */
  readonly elements: Map<string, FieldNode>;
  /** Nodes of the object's own types. */
  readonly types: Map<string, FieldNode>;
  field: ClientField | undefined;
}

const ANY_TYPE = '';

export function fieldTree({ fields, impliedTypes }: ClientFieldList): FieldTree {
  const root = emptyNode();
  for (const field of fields) {
    const steps = pathSteps(field.path);
    if (steps.some((step) => step.value !== undefined)) continue;
    const nodes = steps.reduce(nodesBehind, [root]);
    for (const node of nodes) node.field = field;
    for (const member of field.members ?? []) pathSteps(member).reduce(nodesBehind, nodes);
  }
  return { root, impliedTypes };
}

function emptyNode(): FieldNode {
  return { members: new Map(), elements: new Map(), types: new Map(), field: undefined };
}

function nodesBehind(nodes: readonly FieldNode[], step: PathStep): readonly FieldNode[] {
  const { element, types } = step;
  let behind = nodes.map((node) => grown(node.members, step.name));
  if (element !== undefined)
    behind = behind.flatMap((node) =>
      (element.types ?? [ANY_TYPE]).map((type) => grown(node.elements, type)),
    );
  if (types !== undefined) behind = behind.flatMap((node) => types.map((type) => grown(node.types, type)));
  return behind;
}

function grown(nodes: Map<string, FieldNode>, key: string): FieldNode {
  const known = nodes.get(key);
  if (known !== undefined) return known;
  const node = emptyNode();
  nodes.set(key, node);
  return node;
}

/**
 * What a body says outside the turn, by its path in the client's words: fields that the list calls extras, fields that
 * yield to another that is there, and fields that the list does not know. `null`, empty lists and values that ask for
 * what is done anyway say nothing. Elements of unknown types are left to whoever decodes them.
 */
export function unmodelledFields(tree: FieldTree, body: JsonObject): Record<string, JsonValue> {
  const walk = new FieldWalk(tree, body);
  walk.members(body, [tree.root], '');
  return walk.found;
}

class FieldWalk {
  readonly found: Record<string, JsonValue> = Object.create(null);
  readonly #impliedTypes: Readonly<Record<string, string>>;
  readonly #body: JsonObject;

  constructor(tree: FieldTree, body: JsonObject) {
    this.#impliedTypes = tree.impliedTypes;
    this.#body = body;
  }

  members(object: JsonObject, nodes: readonly FieldNode[], path: string): void {
    for (const [name, value] of Object.entries(object)) {
      const known = nodes.flatMap((node) => node.members.get(name) ?? []);
      const at = path === '' ? name : `${path}.${name}`;
      if (saysNothing(value)) continue;
      if (known.length > 0) this.#visit(value, known, at);
      else if (path === '' || (name !== 'type' && name !== 'role')) this.found[at] = value;
    }
  }

  #visit(value: JsonValue, untyped: readonly FieldNode[], path: string): void {
    const type = isJsonObject(value) ? textOf(value.type) : undefined;
    const typed = type === undefined ? [] : untyped.flatMap((node) => node.types.get(type) ?? []);
    const nodes = [...typed, ...untyped];
    const field = nodes.find((node) => node.field !== undefined)?.field;
    if (field !== undefined && this.#isOutside(field, value)) {
      if (field.neutral?.includes(value) !== true) this.found[path] = value;
      return;
    }
    if (field?.whole === true) return;
    if (Array.isArray(value)) {
      value.forEach((item, index) => {
        const inside = isJsonObject(item) ? this.#elementNodes(item, nodes, path) : [];
        if (inside.length > 0) this.#visit(item, inside, `${path}[${index}]`);
      });
      return;
    }
    if (isJsonObject(value)) this.members(value, nodes, path);
  }

  #elementNodes(item: JsonObject, nodes: readonly FieldNode[], path: string): FieldNode[] {
    const type = textOf(item.type) ?? this.#impliedTypes[path] ?? textOf(item.role) ?? ANY_TYPE;
    return nodes.flatMap((node) =>
      [...new Set([type, ANY_TYPE])].flatMap((key) => node.elements.get(key) ?? []),
    );
  }

  #isOutside({ asks, yieldsTo }: ClientField, value: JsonValue): boolean {
    if (asks.startsWith('extras.')) return true;
    if (yieldsTo === undefined) return false;
    const winner = this.#body[yieldsTo];
    return winner !== undefined && winner !== null && winner !== value;
  }
}

function saysNothing(value: JsonValue): boolean {
  return value === null || (Array.isArray(value) && value.length === 0);
}
