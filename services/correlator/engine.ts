/**
 * The meaning of this engine, by a number: bump it with every change after which the same log gives other answers,
 * tags or digests (also when a bound changes that the fold depends on: `limits.digestRecordsEvery`, `stepsKeptMax`,
 * `chainLooksMax`, `clockJumpMsMax`). It is not the package's version.
 *
 * `policy.changed` carries it, so a log says which engine made the records that follow (DETECTION §2.10).
 */
export const engineVersion = "8";
