import { describeProperties } from './responses-properties.ts';

describeProperties(400);
