import { pino } from 'pino';
import { systemClock } from '#shared/clock.ts';
import { announceReady, onShutdown } from '#shared/process-lifecycle.ts';
import { startSandbox } from './server.ts';
import { readSandboxSettings } from './settings.ts';

/**
 * The built-in provider of development: answers for every model whose vendor has no credential. Never started by the
 * production entry. It logs that it runs, and nothing about requests.
 */
const SHUTDOWN_DEADLINE_MS = 2_000;

const settings = readSandboxSettings();
const logger = pino({ level: settings.logLevel, base: { process: 'sandbox' } });
const sandbox = await startSandbox(settings.port, settings.pace, systemClock);
onShutdown(() => sandbox.close(), SHUTDOWN_DEADLINE_MS);
logger.info({ baseUrl: sandbox.baseUrl }, 'sandbox provider listening');
announceReady();
