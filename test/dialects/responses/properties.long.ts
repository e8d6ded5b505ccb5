import { describeProperties } from './responses-properties.ts';

describeProperties(100_000);
