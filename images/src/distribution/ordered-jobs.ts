// Runs a bounded number of jobs at once and hands out their results in the order they were started,
// so that parallel compression never changes the order of frames.

/** Jobs whose results are taken first in, first out. */
export class OrderedJobs<Result> {
  readonly #pending: Promise<Result>[] = [];
  readonly #parallel: number;
  readonly #take: (result: Result) => Promise<void>;

  constructor(parallel: number, take: (result: Result) => Promise<void>) {
    this.#parallel = parallel;
    this.#take = take;
  }

  /** Adds a running job; waits for the oldest when too many run. */
  async add(job: Promise<Result>): Promise<void> {
    // A job may fail while an older one is awaited; the failure is raised when its turn comes.
    job.catch(() => undefined);
    this.#pending.push(job);
    if (this.#pending.length >= this.#parallel) await this.#takeOldest();
  }

  /** Takes all results that are left. */
  async finish(): Promise<void> {
    while (this.#pending.length > 0) await this.#takeOldest();
  }

  async #takeOldest(): Promise<void> {
    const oldest = this.#pending.shift();
    if (oldest !== undefined) await this.#take(await oldest);
  }
}
