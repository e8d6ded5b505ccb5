import type { TokenUsage } from '#shared/token-usage.ts';
import type { UsageRecord } from '#shared/usage-record.ts';

const MAX_NAMES = 10_000;
const names = new Map<string, string>();

/**
 * A usage record as the JSON line that the spool keeps. Cheaper than `JSON.stringify`, because most of what it
 * holds are names that thousands of records share.
 */
export function encodeRecord(record: UsageRecord): string {
  const { status, httpStatus, errorCode, usage, costNano, latencyMs, firstTokenMs, count } = record;
  const caller = `"accountId":${quoted(record.accountId)},"apiKeyId":${quoted(record.apiKeyId)}`;
  const model = `"requestedModel":${quoted(record.requestedModel)},"model":${quoted(record.model)},"alias":${quoted(record.alias)}`;
  const way = `"dialect":"${record.dialect}","lane":${quoted(record.lane)},"upstream":${quoted(record.upstream)},"sandbox":${record.sandbox},"stream":${record.stream}`;
  const ending = `"status":"${status}","httpStatus":${httpStatus},"errorCode":${quoted(errorCode)}`;
  const cost = `"priceVersionId":${quoted(record.priceVersionId)},"costNano":"${costNano}"`;
  const times = `"latencyMs":${latencyMs},"firstTokenMs":${firstTokenMs}`;
  const endUser = record.endUser === null ? 'null' : JSON.stringify(record.endUser);
  return `{"format":${record.format},"requestId":"${record.requestId}",${caller},${model},${way},${ending},"usage":${encodeUsage(usage)},${cost},${times},"endUser":${endUser},"count":${count}${encodeRest(record)}}`;
}

function encodeUsage(usage: TokenUsage): string {
  if (usage.serviceTier !== undefined || usage.serverTools !== undefined) return JSON.stringify(usage);
  const { input, output, reasoning, cacheRead, cacheWrite5m, cacheWrite1h, source } = usage;
  return `{"input":${input},"output":${output},"reasoning":${reasoning},"cacheRead":${cacheRead},"cacheWrite5m":${cacheWrite5m},"cacheWrite1h":${cacheWrite1h},"source":"${source}"}`;
}

/** The members that few records have. */
function encodeRest({ budgetPeriod, excessNano, network }: UsageRecord): string {
  const period = budgetPeriod === undefined ? '' : `,"budgetPeriod":${quoted(budgetPeriod)}`;
  const excess = excessNano === undefined ? '' : `,"excessNano":"${excessNano}"`;
  return network === undefined ? period + excess : `${period}${excess},"network":"${network}"`;
}

/** A name as JSON. Kept, because few are different. */
function quoted(name: string | null): string {
  if (name === null) return 'null';
  let text = names.get(name);
  if (text === undefined) {
    if (names.size >= MAX_NAMES) names.clear();
    text = JSON.stringify(name);
    names.set(name, text);
  }
  return text;
}
