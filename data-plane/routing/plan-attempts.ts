import type { CompiledModel, CompiledRoute } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';

/** A request is sent to at most this many providers, one after the other. */
const MAX_ATTEMPTS = 4;

/**
 * The routes to try for a model, best first: those whose upstream speaks the client's own `protocol`, then by priority, and
 * by weighted lot among equals, so that load spreads. `random` yields numbers in [0, 1). With `callsFunctions`, a protocol in
 * which the provider is known to refuse them gives way to its twin.
 */
export function planAttempts(
  model: CompiledModel,
  protocol: ProviderProtocol | undefined,
  random: () => number,
  callsFunctions = false,
): readonly CompiledRoute[] {
  const { routes } = model;
  if (routes.length <= 1) return routes;
  const candidates = candidatesOf(model, protocol, callsFunctions);
  // Most models have one route per protocol: then there is nothing to draw.
  if (candidates.natives.length <= 1 && candidates.others.length <= 1) return candidates.only;
  const plan = [...drawAll(candidates.natives, random), ...drawAll(candidates.others, random)];
  return withoutTwins(plan).slice(0, MAX_ATTEMPTS);
}

interface Candidates {
  readonly natives: readonly CompiledRoute[];
  readonly others: readonly CompiledRoute[];
  /** The plan where neither holds more than one. */
  readonly only: readonly CompiledRoute[];
}

/** By model of a snapshot (a new one brings new models), protocol and whether functions are called. */
const keptCandidates = new WeakMap<CompiledModel, Map<string, Candidates>>();

function candidatesOf(
  model: CompiledModel,
  protocol: ProviderProtocol | undefined,
  callsFunctions: boolean,
): Candidates {
  const key = callsFunctions ? `${protocol} calls` : (protocol ?? 'none');
  let kept = keptCandidates.get(model);
  if (kept === undefined) {
    kept = new Map();
    keptCandidates.set(model, kept);
  }
  let candidates = kept.get(key);
  if (candidates === undefined) {
    candidates = sortOut(model.routes, protocol, callsFunctions);
    kept.set(key, candidates);
  }
  return candidates;
}

function sortOut(
  routes: readonly CompiledRoute[],
  protocol: ProviderProtocol | undefined,
  callsFunctions: boolean,
): Candidates {
  const isNative = (route: CompiledRoute): boolean => route.upstream.protocol === protocol;
  const natives = routes.filter(isNative);
  const others = routes.filter(
    (route) => !isNative(route) && !(callsFunctions && hasBetterTwinForCalls(route, routes)),
  );
  return { natives, others, only: withoutTwins([...natives, ...others]) };
}

/** A second protocol of the same endpoint and credential is no second chance: only the better one is tried. */
function withoutTwins(routes: readonly CompiledRoute[]): CompiledRoute[] {
  return routes.filter((route, index) => !routes.slice(0, index).some((earlier) => isTwin(earlier, route)));
}

function isTwin(left: CompiledRoute, right: CompiledRoute): boolean {
  return (
    left.upstream.origin === right.upstream.origin &&
    left.upstream.credential === right.upstream.credential &&
    left.upstream.protocol !== right.upstream.protocol
  );
}

/** OpenAI's models from GPT-5.2 on think unless told not to, and take no function tools with it over Chat. */
const REASONS_WITH_CALLS_OVER_RESPONSES = /^gpt-(5\.[2-9]|[6-9])/;

function hasBetterTwinForCalls(route: CompiledRoute, routes: readonly CompiledRoute[]): boolean {
  return (
    route.upstream.protocol === 'chat' &&
    route.upstream.vendor === 'openai' &&
    REASONS_WITH_CALLS_OVER_RESPONSES.test(route.providerModel) &&
    routes.some((other) => other.upstream.protocol === 'responses' && isTwin(route, other))
  );
}

function drawAll(routes: readonly CompiledRoute[], random: () => number): CompiledRoute[] {
  const candidates = [...routes];
  const plan: CompiledRoute[] = [];
  while (candidates.length > 0) {
    const next = drawNext(candidates, random);
    plan.push(next);
    candidates.splice(candidates.indexOf(next), 1);
  }
  return plan;
}

/** Draws one of the candidates with the lowest priority number, in proportion to their weights. */
function drawNext(candidates: readonly CompiledRoute[], random: () => number): CompiledRoute {
  const priority = Math.min(...candidates.map((route) => route.priority));
  const equals = candidates.filter((route) => route.priority === priority);
  const total = equals.reduce((sum, route) => sum + Math.max(route.weight, 0), 0);
  let lot = random() * total;
  for (const route of equals) {
    lot -= Math.max(route.weight, 0);
    if (lot < 0) return route;
  }
  const [first] = equals;
  if (first === undefined) throw new Error('No route to draw from');
  return first;
}
