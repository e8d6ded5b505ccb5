import { createHash } from 'node:crypto';
import { objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';

const MAX_NAME_LENGTH = 64;
const HASH_LENGTH = 12;

/** What a tool is called in the client's own request. */
export interface ToolOrigin {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly custom: boolean;
}

/**
 * The one name by which a tool of a namespace is known where there are no namespaces: `namespace__name`, within the 64
 * characters that every protocol allows. The same pair always gives the same name.
 */
export function qualifiedName(namespace: string | undefined, name: string): string {
  if (namespace === undefined) return name;
  const whole = `${namespace}__${name}`;
  const plain = whole.replace(/[^a-zA-Z0-9_-]/g, '_');
  if (plain === whole && plain.length <= MAX_NAME_LENGTH) return plain;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, HASH_LENGTH);
  return `${plain.slice(0, MAX_NAME_LENGTH - HASH_LENGTH - 1)}_${hash}`;
}

/** The tools of a request by the names that providers know them by. Tolerates any JSON. */
export function readToolOrigins(body: JsonObject): ReadonlyMap<string, ToolOrigin> {
  const origins = new Map<string, ToolOrigin>();
  for (const tool of objectsOf(body.tools)) {
    if (tool.type !== 'namespace') addOrigin(origins, tool, undefined);
    else for (const inner of objectsOf(tool.tools)) addOrigin(origins, inner, textOf(tool.name));
  }
  return origins;
}

function addOrigin(origins: Map<string, ToolOrigin>, tool: JsonObject, namespace: string | undefined): void {
  const name = textOf(tool.name);
  if (name === undefined || (tool.type !== 'function' && tool.type !== 'custom')) return;
  origins.set(qualifiedName(namespace, name), { name, namespace, custom: tool.type === 'custom' });
}
