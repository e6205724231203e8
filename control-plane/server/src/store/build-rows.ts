// Build jobs: queued by people, taken by one builder each under a lease that it must renew, logged line by
// line. A build whose builder died is taken again a bounded number of times.
import type { BuildView } from "@drover/shared/api/release-api";
import type { BuildId, ImageId } from "@drover/shared/ids";
import { asJson, type Queryable, type Sql } from "./database.ts";

export interface TakenBuild {
  readonly id: BuildId;
  readonly recipe: string;
  readonly attempt: number;
}

export type BuildEnd =
  | { readonly state: "succeeded"; readonly imageId: ImageId; readonly because: readonly string[] }
  | { readonly state: "failed" | "cancelled"; readonly because: readonly string[] };

export function buildRows(sql: Sql) {
  return {
    list: (): Promise<BuildView[]> => selectBuilds(sql, sql``),
    async get(id: BuildId): Promise<BuildView | undefined> {
      return (await selectBuilds(sql, sql`where id = ${id}`))[0];
    },
    async queue(input: { id: BuildId; recipe: string; by: string; now: number }): Promise<void> {
      await sql`insert into builds (id, recipe, state, created_at, created_by, progress)
        values (${input.id}, ${input.recipe}, 'queued', ${input.now}, ${input.by}, 'queued')`;
    },
    async log(id: BuildId, after: number): Promise<{ line: number; text: string }[]> {
      return sql`select line, text from build_log where build = ${id} and line > ${after}
        order by line limit 1000`;
    },
    /** A queued build ends at once; a running one when its builder sees the request. */
    async requestCancel(id: BuildId, by: string, now: number): Promise<boolean> {
      const because = [`cancelled by ${by}`];
      const rows = await sql`
        update builds set cancel_requested = true, because = ${asJson(sql, because)},
          state = case when state = 'queued' then 'cancelled' else state end,
          ended_at = case when state = 'queued' then ${now}::bigint else ended_at end
        where id = ${id} and state in ('queued', 'running')`;
      return rows.count > 0;
    },
    /** Takes the oldest build that is queued, or whose builder is gone. */
    async take(input: {
      holder: string;
      now: number;
      holdMs: number;
    }): Promise<TakenBuild | undefined> {
      const { holder, now, holdMs } = input;
      const rows = await sql<TakenBuild[]>`
        update builds set state = 'running', holder = ${holder}, held_until = ${now + holdMs},
          started_at = coalesce(started_at, ${now}), attempt = attempt + 1
        where id = (select id from builds
          where not cancel_requested
            and (state = 'queued' or (state = 'running' and held_until < ${now}))
          order by created_at, id limit 1 for update skip locked)
        returning id, recipe, attempt`;
      return rows[0];
    },
    /** Renews the hold; tells whether somebody asked to cancel, or that the build is no longer ours. */
    async renew(input: {
      id: BuildId;
      holder: string;
      now: number;
      holdMs: number;
    }): Promise<"go-on" | "cancel" | "lost"> {
      const rows = await sql<{ cancelRequested: boolean }[]>`
        update builds set held_until = ${input.now + input.holdMs}
        where id = ${input.id} and holder = ${input.holder} and state = 'running'
        returning cancel_requested`;
      if (!rows[0]) return "lost";
      return rows[0].cancelRequested ? "cancel" : "go-on";
    },
    async appendLog(input: {
      id: BuildId;
      holder: string;
      lines: readonly string[];
    }): Promise<void> {
      const { id, holder, lines } = input;
      const last = lines.at(-1);
      if (last === undefined) return;
      await sql.begin(async (transaction) => {
        const owned = await transaction`
          update builds set progress = ${last.slice(0, 500)}
          where id = ${id} and holder = ${holder} and state = 'running'`;
        if (owned.count === 0) return;
        await transaction`
          insert into build_log (build, line, text)
          select ${id}, (select coalesce(max(line), 0) from build_log where build = ${id}) + position,
            text
          from unnest(${lines.map((line) => line.slice(0, 2000))}::text[])
            with ordinality as given (text, position)`;
      });
    },
    async end(input: { id: BuildId; holder: string; end: BuildEnd; now: number }): Promise<void> {
      const { id, holder, end, now } = input;
      const imageId = end.state === "succeeded" ? end.imageId : null;
      await sql`update builds set state = ${end.state}, image_id = ${imageId}, ended_at = ${now},
          because = ${asJson(sql, end.because)}, holder = null
        where id = ${id} and holder = ${holder} and state = 'running'`;
    },
  };
}

function selectBuilds(sql: Queryable, where: ReturnType<Queryable>): Promise<BuildView[]> {
  return sql<BuildView[]>`
    select id, recipe, state, progress, image_id, created_at, started_at, ended_at, because
    from builds ${where} order by created_at desc, id limit 200`;
}
