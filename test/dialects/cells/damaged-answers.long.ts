import { describeDamagedAnswers } from './damaged-answers.ts';

describeDamagedAnswers(10_000, 600_000);
