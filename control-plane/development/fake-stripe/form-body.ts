/** A decoded form: Stripe's clients write nested values as `line_items[0][price_data][currency]=usd`. */
export type FormValue = string | FormValue[] | { [name: string]: FormValue };
export type FormObject = { [name: string]: FormValue };

const MAX_DEPTH = 12;

/** Reads a form-encoded body or query into nested values. Numeric names make lists. */
export function readForm(text: string): FormObject {
  const root: FormObject = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const path = name.split(/\[|\]\[|\]$/).filter((part) => part !== '');
    if (path.length > 0 && path.length <= MAX_DEPTH) put(root, path, value);
  }
  return listed(root) as FormObject;
}

function put(target: FormObject, [name = '', ...rest]: string[], value: string): void {
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner = target[name];
  const next: FormObject = typeof inner === 'object' && !Array.isArray(inner) ? inner : {};
  target[name] = next;
  put(next, rest, value);
}

function listed(value: FormValue): FormValue {
  if (typeof value === 'string' || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, listed(inner)] as const);
  if (entries.length > 0 && entries.every(([name], index) => name === String(index)))
    return entries.map(([, inner]) => inner);
  return Object.fromEntries(entries);
}

/** The text at a path, `undefined` where there is none. */
export function textAt(form: FormObject, ...path: string[]): string | undefined {
  let value: FormValue | undefined = form;
  for (const name of path) {
    if (typeof value !== 'object' || Array.isArray(value)) return undefined;
    value = value[name];
  }
  return typeof value === 'string' ? value : undefined;
}

/** The texts inside the object at a path, such as `metadata`. */
export function textsAt(form: FormObject, name: string): Record<string, string> {
  const value = form[name];
  if (typeof value !== 'object' || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])),
  );
}
