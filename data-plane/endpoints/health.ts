import type { Gateway } from '#data-plane/gateway.ts';
import { baseHeaders, type Exchange } from './exchange.ts';

/** `GET /healthz`: the process runs. */
export function showHealth(exchange: Exchange): void {
  exchange.writer.respond(200, baseHeaders(exchange, 'application/json'), '{"status":"ok"}');
}

/** `GET /readyz`: the process should get traffic; 503 with the reasons when it should not. */
export function showReadiness(gateway: Gateway, exchange: Exchange, isDraining: boolean): void {
  const ageMs = gateway.snapshots.ageMs();
  const reasons = [
    ...(ageMs > gateway.snapshotMaxAgeMs ? ['snapshot_too_old'] : []),
    ...(gateway.spool.accepting ? [] : ['spool_not_accepting']),
    ...(isDraining ? ['draining'] : []),
  ];
  const body = {
    ready: reasons.length === 0,
    reasons,
    snapshot: { sequence: gateway.snapshots.current().sequence, ageSeconds: Math.round(ageMs / 1_000) },
    spool: { accepting: gateway.spool.accepting },
    ...gateway.linkStates(),
  };
  const status = reasons.length === 0 ? 200 : 503;
  exchange.writer.respond(status, baseHeaders(exchange, 'application/json'), JSON.stringify(body));
}
