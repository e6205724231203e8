// Adoption after a restore: a site that applied a generation the centre never stored proves that the
// database is older than the fleet. Generations never go down.

/** The next generation of a site: above everything stored and everything it ever reported. */
export function nextGeneration(known: { stored: number; reported: number }): number {
  return Math.max(known.stored, known.reported) + 1;
}

/**
 * True while a site applied a generation that was neither stored here nor accepted by a person: it
 * gets no new document and no grant, for what this database wants may be older than what it has.
 */
export function isAhead(site: { stored: number; reported: number; adopted: number }): boolean {
  return site.reported > Math.max(site.stored, site.adopted);
}

/**
 * Whether the whole fleet must freeze. One site alone may lie about its generation and must not be
 * able to stop the fleet, unless it is the only one; two independent sites are believed.
 */
export function freezeAfterAdoption(figures: {
  readonly activeSites: number;
  readonly aheadSites: number;
}): { readonly freeze: boolean; readonly because: readonly string[] } {
  const needed = figures.activeSites <= 1 ? 1 : 2;
  if (figures.aheadSites < needed) {
    return {
      freeze: false,
      because: [`${figures.aheadSites} of ${figures.activeSites} sites are ahead of the database`],
    };
  }
  return {
    freeze: true,
    because: [
      `${figures.aheadSites} of ${figures.activeSites} sites applied documents this database never stored`,
      "the database is older than the fleet; a person must look before anything new starts",
    ],
  };
}
