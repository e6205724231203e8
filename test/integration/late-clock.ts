// Loaded into a program before anything else of it: from then on its clock is 400 days ahead.
const aheadMs = 400 * 86_400_000;
const OwnDate = globalThis.Date;

class LateDate extends OwnDate {
  constructor(...words: readonly [] | ConstructorParameters<typeof OwnDate>) {
    if (words.length === 0) super(OwnDate.now() + aheadMs);
    else super(...words);
  }

  static override now(): number {
    return OwnDate.now() + aheadMs;
  }
}

globalThis.Date = LateDate as DateConstructor;
