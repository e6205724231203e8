// Issues desired documents: for each marked site the content is made afresh and signed only when it
// differs or grows old. Generations only rise, above everything ever reported.

import type { SiteId } from "@drover/shared/ids";
import type { Log } from "@drover/shared/log";
import { desiredReissueMs, desiredValidMs } from "@drover/shared/messages/desired";
import { desiredContent, sameContent } from "../core/assignment/desired.ts";
import { isAhead, nextGeneration } from "../core/fleet/restore.ts";
import type { Sealer } from "./bus-ports.ts";
import { forEach } from "./each.ts";
import { type Leading, lead } from "./lead.ts";
import type { DesiredStore, Fence, FleetStore, LeaseStore } from "./ports.ts";

export interface DesiredLoopPorts extends Leading {
  readonly store: LeaseStore & DesiredStore & Pick<FleetStore, "frozen">;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly wakeOutbox: () => void;
}

const batchMax = 500;

export async function issueDesired(ports: DesiredLoopPorts): Promise<{ again: boolean }> {
  const fence = await lead(ports, "desired");
  if (fence === null || (await ports.store.frozen())) return { again: false };
  const issuedBefore = ports.clock.now() - desiredReissueMs;
  const sites = await ports.store.dirtySites({ issuedBefore, limit: batchMax });
  const { failed } = await forEach(sites, (site) => issueOne(ports, site, fence), {
    log: ports.log,
    fields: (site) => ({ site }),
  });
  if (sites.length > 0) ports.wakeOutbox();
  return { again: sites.length === batchMax && failed === 0 };
}

async function issueOne(ports: DesiredLoopPorts, site: SiteId, fence: Fence): Promise<void> {
  const facts = await ports.store.siteDesiredFacts(site);
  if (facts === null || facts.frozen) return;
  const { stored, reportedGeneration: reported, adoptedGeneration: adopted, dirtySeq } = facts;
  const known = { stored: stored?.generation ?? 0, reported };
  if (isAhead({ ...known, adopted })) {
    // Unfreezing accepts what the site reported and marks it again; until then it keeps what it has.
    ports.log.warn({ site, reported, stored: known.stored }, "site is ahead of the database");
    return ports.store.clearDirty(site, dirtySeq);
  }
  const { content, because } = desiredContent(facts);
  const issuedAt = ports.clock.now();
  const fresh = stored !== null && issuedAt - stored.issuedAt < desiredReissueMs;
  if (fresh && sameContent(stored.content, content) && reported <= stored.generation) {
    return ports.store.clearDirty(site, dirtySeq);
  }
  const generation = nextGeneration(known);
  const document = await ports.sealer.sealDesired({
    ...content,
    generation,
    issuedAt,
    expiresAt: issuedAt + desiredValidMs,
  });
  await ports.store.saveDesired({
    fence,
    site,
    expectedGeneration: known.stored,
    generation,
    content,
    issuedAt,
    body: { generation, document },
    dirtySeq,
    because,
  });
}
