// What a site agent remembers, as one named function per statement over the site database. Every call
// resolves only after the commit.
import type { ImageId, NodeId, SiteId } from "@drover/shared/ids";
import { NodeStateReport, type OutboxId } from "@drover/shared/messages/report";
import { type Database, type SqlRow, statement } from "./database.ts";

export interface ClaimRow {
  readonly node: string;
  readonly installSerial: number;
  readonly publicKey: string;
}

export interface OutboxRow {
  readonly seq: number;
  readonly kind: string;
  readonly at: number;
  readonly text: string;
}

export class SiteStore {
  readonly #database: Database;
  readonly #site: string;

  constructor(database: Database, site: SiteId) {
    this.#database = database;
    this.#site = site;
  }

  async document(name: string): Promise<string | undefined> {
    const [row] = await this.#database.run(
      statement("SELECT text FROM document WHERE site = ? AND name = ?", this.#site, name),
    );
    return row && String(row["text"]);
  }

  async keepDocument(name: string, text: string): Promise<void> {
    await this.#database.run(
      statement(
        "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text",
        this.#site,
        name,
        text,
      ),
    );
  }

  /** The outbox id and last number used; `freshId` is taken when there is no outbox yet. */
  async outboxPlace(freshId: OutboxId): Promise<{ outboxId: OutboxId; lastSeq: number }> {
    const [row] = await this.#database.run(
      statement("INSERT OR IGNORE INTO outbox_place VALUES (?, ?, 0)", this.#site, freshId),
      statement("SELECT outbox_id, last_seq FROM outbox_place WHERE site = ?", this.#site),
    );
    return {
      outboxId: String(row?.["outbox_id"]) as OutboxId,
      lastSeq: Number(row?.["last_seq"] ?? 0),
    };
  }

  async appendReports(rows: readonly OutboxRow[]): Promise<void> {
    const last = rows.at(-1);
    if (!last) return;
    await this.#database.run(
      ...rows.map(({ seq, kind, at, text }) =>
        statement("INSERT INTO outbox VALUES (?, ?, ?, ?, ?)", this.#site, seq, kind, at, text),
      ),
      statement("UPDATE outbox_place SET last_seq = ? WHERE site = ?", last.seq, this.#site),
    );
  }

  async dropReports(upToSeq: number): Promise<void> {
    await this.#database.run(
      statement("DELETE FROM outbox WHERE site = ? AND seq <= ?", this.#site, upToSeq),
    );
  }

  /** Drops the oldest reports that only say how things were, never what happened. */
  async thinReports(limit: number): Promise<void> {
    await this.#database.run(
      statement(
        `DELETE FROM outbox WHERE site = ?1 AND seq IN (SELECT seq FROM outbox WHERE site = ?1
         AND kind IN ('node-health', 'node-state', 'site-state') ORDER BY seq LIMIT ?2)`,
        this.#site,
        limit,
      ),
    );
  }

  async reportsAfter(seq: number, limit: number): Promise<readonly OutboxRow[]> {
    const rows = await this.#database.run(
      statement(
        "SELECT seq, kind, at, text FROM outbox WHERE site = ? AND seq > ? ORDER BY seq LIMIT ?",
        this.#site,
        seq,
        limit,
      ),
    );
    return rows.map((row) => ({
      seq: Number(row["seq"]),
      kind: String(row["kind"]),
      at: Number(row["at"]),
      text: String(row["text"]),
    }));
  }

  async reportCount(): Promise<number> {
    const [row] = await this.#database.run(
      statement("SELECT count(*) AS n FROM outbox WHERE site = ?", this.#site),
    );
    return Number(row?.["n"] ?? 0);
  }

  async claims(): Promise<readonly ClaimRow[]> {
    const rows = await this.#database.run(
      statement(
        "SELECT node, install_serial, public_key FROM claim WHERE site = ? ORDER BY node, install_serial",
        this.#site,
      ),
    );
    return rows.map((row) => ({
      node: String(row["node"]),
      installSerial: Number(row["install_serial"]),
      publicKey: String(row["public_key"]),
    }));
  }

  async keepClaim(claim: ClaimRow, at: number): Promise<void> {
    const { node, installSerial, publicKey } = claim;
    await this.#database.run(
      statement(
        "INSERT INTO claim VALUES (?, ?, ?, ?, ?)",
        this.#site,
        node,
        installSerial,
        publicKey,
        at,
      ),
    );
  }

  /** Install intents that were carried out, by node. */
  async installed(): Promise<Map<string, number>> {
    const rows = await this.#database.run(
      statement("SELECT node, install_serial FROM installed WHERE site = ?", this.#site),
    );
    return new Map(rows.map((row) => [String(row["node"]), Number(row["install_serial"])]));
  }

  async keepInstalled(node: NodeId, serial: number): Promise<void> {
    await this.#database.run(
      statement(
        `INSERT INTO installed VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET install_serial = max(install_serial, excluded.install_serial)`,
        this.#site,
        node,
        serial,
      ),
    );
  }

  async counters(): Promise<readonly { node: string; publicKey: string; counter: number }[]> {
    const rows = await this.#database.run(
      statement("SELECT node, public_key, counter FROM call_counter WHERE site = ?", this.#site),
    );
    return rows.map((row) => ({
      node: String(row["node"]),
      publicKey: String(row["public_key"]),
      counter: Number(row["counter"]),
    }));
  }

  async keepCounter(node: NodeId, publicKey: string, counter: number): Promise<void> {
    await this.#database.run(
      statement(
        `INSERT INTO call_counter VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET counter = max(counter, excluded.counter)`,
        this.#site,
        node,
        publicKey,
        counter,
      ),
    );
  }

  async nodeStates(): Promise<readonly { heardAt: number; report: NodeStateReport }[]> {
    const rows = await this.#database.run(
      statement("SELECT heard_at, text FROM node_state WHERE site = ?", this.#site),
    );
    return rows.flatMap((row: SqlRow) => {
      const report = NodeStateReport.safeParse(JSON.parse(String(row["text"])));
      return report.success ? [{ heardAt: Number(row["heard_at"]), report: report.data }] : [];
    });
  }

  async keepNodeState(report: NodeStateReport, heardAt: number): Promise<void> {
    await this.#database.run(
      statement(
        `INSERT INTO node_state VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET heard_at = excluded.heard_at, text = excluded.text`,
        this.#site,
        report.node,
        heardAt,
        JSON.stringify(report),
      ),
    );
  }

  async wanBytes(): Promise<Record<string, number>> {
    const rows = await this.#database.run(
      statement("SELECT image, bytes FROM wan_bytes WHERE site = ?", this.#site),
    );
    return Object.fromEntries(rows.map((row) => [String(row["image"]), Number(row["bytes"])]));
  }

  async addWanBytes(image: ImageId, bytes: number): Promise<void> {
    await this.#database.run(
      statement(
        "INSERT INTO wan_bytes VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
        this.#site,
        image,
        bytes,
      ),
    );
  }
}
