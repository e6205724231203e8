// A place with one site agent and some nodes: its name, region path, coordinates and labels.
import { z } from "zod";
import { SiteId } from "../ids.ts";

/** Slash-separated place path such as `emea/de/berlin`. */
export const Region = z.string().regex(/^[a-z0-9-]{1,40}(\/[a-z0-9-]{1,40}){0,7}$/);
export const Labels = z.record(z.string().regex(/^[a-z][a-z0-9._-]{0,39}$/), z.string().max(120));
export type Labels = z.infer<typeof Labels>;
/** IANA time zone name. */
export const TimeZone = z
  .string()
  .regex(/^[A-Za-z]+(?:[/_+-][A-Za-z0-9_+-]+)*$/)
  .max(60);
export const Coordinates = z.object({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
});

export const SiteFields = z.object({
  name: z.string().min(1).max(120),
  region: Region,
  coordinates: Coordinates.nullable(),
  timeZone: TimeZone,
  labels: Labels,
  /** Kind of site; free word. */
  class: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  /** The site that backs this one up; never disturbed together. */
  pair: SiteId.nullable(),
  /** Made by `drover rehearse`; never counted with real sites. */
  hollow: z.boolean(),
});
export type SiteFields = z.infer<typeof SiteFields>;

/** True when `region` is `prefix` or lies below it. */
export function isInRegion(region: string, prefix: string): boolean {
  return region === prefix || region.startsWith(`${prefix}/`);
}
