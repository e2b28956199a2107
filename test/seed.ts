/** Before every test file of a run with THROUGHLINE_SEED: random tests take the same cases each time. */
import fc from "fast-check";

const seed = Number(process.env.THROUGHLINE_SEED);
if (!Number.isSafeInteger(seed))
  throw new Error(`THROUGHLINE_SEED is no whole number: ${process.env.THROUGHLINE_SEED}`);
fc.configureGlobal({ seed });
