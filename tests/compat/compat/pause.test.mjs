// See lib/pauses.mjs.
import { test } from 'node:test';
import { pausesWhileRunsEnd } from '../lib/pauses.mjs';

test('200 pauses while runs end', () => pausesWhileRunsEnd(40, 5));
