import { announceReady, onShutdown } from '#shared/process-lifecycle.ts';
import { startFakeStripe } from './server.ts';
import { readSettings } from './settings.ts';

const SHUTDOWN_DEADLINE_MS = 2_000;

const stripe = await startFakeStripe(readSettings());
onShutdown(() => stripe.close(), SHUTDOWN_DEADLINE_MS);
announceReady();
