import { describeRandomCells } from './random-cells.ts';
import { describeRandomRequests } from './random-requests.ts';

const TIMEOUT_MS = 600_000;

// Together a hundred thousand.
describeRandomCells({ whole: 50_000, cut: 25_000 }, TIMEOUT_MS);
describeRandomRequests(25_000, TIMEOUT_MS);
