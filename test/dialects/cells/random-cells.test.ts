import { describeRandomCells } from './random-cells.ts';
import { describeRandomRequests } from './random-requests.ts';

const TIMEOUT_MS = 60_000;

describeRandomCells({ whole: 500, cut: 300 }, TIMEOUT_MS);
describeRandomRequests(200, TIMEOUT_MS);
