import { type ClientField, type PathStep, pathSteps } from '#data-plane/dialects/client-field.ts';

/** Whether a listed field speaks of a published path, or of something around it that stands for all inside. */
export function covers(field: ClientField, published: readonly PathStep[]): boolean {
  const listed = pathSteps(field.path);
  const within = listed.length <= published.length && listed.every((step, at) => fits(step, published[at]));
  if (!within) return false;
  const last = listed.at(-1);
  const lastPublished = published.at(-1);
  if (field.whole === true) return true;
  return listed.length === published.length && sameKind(last, lastPublished);
}

/** Whether a listed path names exactly this published one, so that it is no invention. */
export function names(listed: readonly PathStep[], published: readonly PathStep[]): boolean {
  return listed.length === published.length && listed.every((step, at) => fits(step, published[at]));
}

/** Whether a list mentions the element or object kind with which a published path ends. */
export function mentions(field: ClientField, published: readonly PathStep[]): boolean {
  const listed = pathSteps(field.path);
  return (
    listed.length >= published.length &&
    published.every((step, at) => {
      const own = listed[at];
      return own !== undefined && fits(own, step) && (at < published.length - 1 || sameKind(own, step));
    })
  );
}

function fits(listed: PathStep, published: PathStep | undefined): boolean {
  if (published === undefined || listed.name !== published.name) return false;
  return (
    allows(listed.element?.types, published.element?.types) &&
    allows(listed.types, published.types) &&
    (listed.element === undefined || published.element !== undefined)
  );
}

function allows(listed: readonly string[] | undefined, published: readonly string[] | undefined): boolean {
  return listed === undefined || published === undefined || published.some((type) => listed.includes(type));
}

function sameKind(listed: PathStep | undefined, published: PathStep | undefined): boolean {
  const saysElement = published?.element?.types === undefined || listed?.element !== undefined;
  const saysType = published?.types === undefined || listed?.types !== undefined;
  return saysElement && saysType;
}

/** The same path once for each of the kinds that its last step allows. */
export function oneKindEach(path: string): readonly (readonly PathStep[])[] {
  const steps = pathSteps(path);
  const last = steps.at(-1);
  if (last === undefined) return [];
  const before = steps.slice(0, -1);
  if (last.types !== undefined) return last.types.map((type) => [...before, { ...last, types: [type] }]);
  const kinds = last.element?.types;
  if (kinds === undefined) return [steps];
  return kinds.map((type) => [...before, { ...last, element: { types: [type] } }]);
}
