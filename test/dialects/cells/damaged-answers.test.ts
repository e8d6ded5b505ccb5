import { describeDamagedAnswers } from './damaged-answers.ts';

describeDamagedAnswers(150, 60_000);
