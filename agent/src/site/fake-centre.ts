// A whole centre in memory for tests: signs its own documents, answers the agent API, keeps what it was
// sent. It obeys the contract and nothing else; tests set what it wants and whether it answers.
import type { Send } from "@drover/shared/api/client";
import {
  ChannelName,
  type GrantId,
  type ImageId,
  type NodeClass,
  type NodeId,
  type RolloutId,
  type SiteId,
} from "@drover/shared/ids";
import type { DesiredDocument, NodeDesired } from "@drover/shared/messages/desired";
import { Envelope } from "@drover/shared/messages/envelope";
import { GrantRequest } from "@drover/shared/messages/grant";
import { type Report, ReportBody } from "@drover/shared/messages/report";
import type { ReleaseRef } from "@drover/shared/release/release";
import { SitePolicy } from "@drover/shared/site/policy";
import { payloadTypes, sealDocument } from "@drover/shared/trust/dsse";
import { generateKey, signerOf } from "@drover/shared/trust/keys";
import { makeReleaseMetadata, makeRoot } from "@drover/shared/trust/release-metadata";
import type { Centre } from "./centre.ts";
import { CentreError, ContentMissingError } from "./centre.ts";
import type { SiteIdentity } from "./identity.ts";

export const testSite = "s-test0001" as SiteId;
export const testClass = "till" as NodeClass;
export const testRollout = "r-test0001" as RolloutId;
const farAway = 4_000_000_000_000;

export const testRelease = (digit: string, counter: number): ReleaseRef => ({
  name: "till",
  semver: `${counter}.0.0`,
  channel: ChannelName.parse("stable"),
  counter,
  imageId: digit.repeat(64) as ImageId,
});

export class FakeCentre implements Centre {
  readonly #keys = {
    root: generateKey("root"),
    fleet: generateKey("fleet"),
    release: generateKey("release/stable"),
  };
  readonly root: string;
  releases: ReleaseRef[] = [testRelease("1", 1), testRelease("2", 2), testRelease("3", 3)];
  releaseVersion = 1;
  desired: DesiredDocument;
  isReachable = true;
  isGranting = true;
  readonly reports = new Map<number, Report>();
  readonly grants: GrantRequest[] = [];
  readonly content = new Map<string, Uint8Array>();

  constructor(nodes: readonly NodeDesired[]) {
    const one = (key: keyof typeof this.publicKeys) => ({
      keys: [this.publicKeys[key]],
      threshold: 1,
    });
    this.root = makeRoot(
      {
        version: 1,
        expiresAt: farAway,
        roles: { root: one("root"), fleet: one("fleet"), "release/stable": one("release") },
      },
      [signerOf(this.#keys.root)],
    );
    this.desired = {
      v: 1,
      site: testSite,
      generation: 1,
      issuedAt: Date.now(),
      expiresAt: farAway,
      status: "active",
      classes: {
        [testClass]: {
          committed: testRelease("1", 1),
          assigned: null,
          minimum: 0,
          withdrawn: [],
          procedure: null,
        },
      },
      nodes: [...nodes],
      policy: SitePolicy.parse({ provingMs: 5_000, trialDeadlineMs: 60_000 }),
      metadata: {
        rootVersion: 1,
        releases: { stable: { version: 1, sha256: "0".repeat(64) as ImageId } },
      },
    };
  }

  get publicKeys() {
    return {
      root: this.#keys.root.public,
      fleet: this.#keys.fleet.public,
      release: this.#keys.release.public,
    };
  }

  trustFile(changes: Record<string, unknown> = {}) {
    const file = {
      v: 1,
      site: testSite,
      serial: 1,
      issuedAt: 1,
      acceptedChannels: ["stable"],
      ceilings: { rebootsPerDayMax: 20, nodesAtOnceMax: 5 },
      ...changes,
    };
    return sealDocument(payloadTypes.trustFile, file, [signerOf(this.#keys.root)]);
  }

  releaseMetadata(): string {
    const releases = this.releases.map(({ name, semver, imageId, counter }) => ({
      name,
      semver,
      imageId,
      manifestBytes: 10,
      custom: { counter, minimum: 0, step: false },
    }));
    return makeReleaseMetadata({ version: this.releaseVersion, expiresAt: farAway, releases }, [
      signerOf(this.#keys.release),
    ]);
  }

  desiredBody(document: DesiredDocument = this.desired) {
    const signers = [signerOf(this.#keys.fleet)];
    return {
      generation: document.generation,
      document: sealDocument(payloadTypes.desired, document, signers),
    };
  }

  /** A new generation with the assignment for the one class, or none. */
  assign(release: ReleaseRef | null, changes: Partial<DesiredDocument> = {}): void {
    const own = this.desired.classes[testClass];
    if (!own) return;
    const assigned = release && { release, rolloutId: testRollout, rolloutEpoch: 1 };
    this.desired = {
      ...this.desired,
      generation: this.desired.generation + 1,
      classes: { [testClass]: { ...own, assigned } },
      ...changes,
    };
  }

  identity(): SiteIdentity {
    return {
      v: 1,
      url: "https://centre.test",
      connection: {
        site: testSite,
        busUrls: ["nats://127.0.0.1:1"],
        caPem: "",
        contentUrls: ["https://centre.test"],
      },
      root: this.root,
      trustFile: this.trustFile(),
    };
  }

  send(): Send {
    return async ({ path, body }) => {
      if (!this.isReachable) throw new CentreError("the centre is out of reach in this test");
      const answer = this.#answer(path, body === undefined ? undefined : JSON.parse(body));
      const status = answer === undefined ? 404 : 200;
      const problem = { type: "about:blank", title: "no", status, detail: "no", code: "not-found" };
      return { status, text: JSON.stringify(answer ?? problem) };
    };
  }

  #answer(path: string, body: unknown): unknown {
    const later = Date.now() + 1_000_000_000;
    switch (path) {
      case "/agent/v1/challenge":
        return { challenge: "challenge", expiresAt: later };
      case "/agent/v1/session": {
        const { connection } = this.identity();
        return {
          ...connection,
          bearer: "b",
          bearerExpiresAt: later,
          jwt: "j",
          jwtExpiresAt: later,
        };
      }
      case "/agent/v1/desired":
        return this.desiredBody();
      case "/agent/v1/metadata/releases/stable":
        return { metadata: this.releaseMetadata() };
      case "/agent/v1/reports":
        return this.#takeReports(body);
      case "/agent/v1/grant":
        return this.#grant(Envelope.parse(body));
      default:
        return undefined;
    }
  }

  #takeReports(body: unknown) {
    const { messages } = body as { messages: Envelope[] };
    const acks = messages.map(({ seq, body: inner }) => {
      const { outboxId, report } = ReportBody.parse(inner);
      this.reports.set(seq, report);
      return { outboxId, upToSeq: seq };
    });
    return { acks };
  }

  #grant(envelope: Envelope) {
    const request = GrantRequest.parse(envelope.body);
    if (!this.isGranting)
      return { outcome: "denied", retryAfterMs: 1_000, because: ["the rollout is halted"] };
    this.grants.push(request);
    const { rolloutId, rolloutEpoch, imageId, nodes } = request;
    const id = `g-test${String(this.grants.length).padStart(4, "0")}` as GrantId;
    const document = {
      v: 1,
      id,
      site: testSite,
      rolloutId,
      rolloutEpoch,
      imageId,
      nodes,
      validMs: 120_000,
      issuedAt: Date.now(),
    };
    const signers = [signerOf(this.#keys.fleet)];
    return {
      outcome: "granted",
      document: sealDocument(payloadTypes.grant, document, signers),
      because: [],
    };
  }

  async *read(
    url: string,
    range: { offset: number; sizeBytes: number } | undefined,
  ): AsyncGenerator<Uint8Array> {
    if (!this.isReachable) throw new CentreError("the centre is out of reach in this test");
    const bytes = this.content.get(new URL(url).pathname.slice(1));
    if (!bytes) throw new ContentMissingError(`${url} is not there`);
    yield range ? bytes.subarray(range.offset, range.offset + range.sizeBytes) : bytes;
  }

  close(): void {
    this.isReachable = false;
  }
}

export function testNode(number: number): NodeDesired {
  const id = `n-test000${number}` as NodeId;
  const mac = `52:54:00:00:00:0${number}` as NodeDesired["macs"][number];
  return { id, macs: [mac], class: testClass, install: null, hold: false, refusalsCleared: 0 };
}
