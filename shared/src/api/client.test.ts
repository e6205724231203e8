// The typed caller against answers that fit the contract and answers that do not.
import { describe, expect, it } from "vitest";
import { SiteId } from "../ids.ts";
import { call, type Send } from "./client.ts";
import { fleetApi } from "./fleet-api.ts";

const site = SiteId.parse("s-abcd");
const answering =
  (status: number, text: string, seen: string[] = []): Send =>
  async (request) => {
    seen.push(`${request.method} ${request.path}`);
    return { status, text };
  };

describe("the typed caller", () => {
  it("fills path and query", async () => {
    const seen: string[] = [];
    await call(answering(200, '{"items":[],"nextCursor":null}', seen), fleetApi.listSites, {
      query: { limit: 5, region: "emea/de" },
    });
    expect(seen).toEqual(["GET /api/v1/sites?limit=5&region=emea%2Fde"]);
  });

  it("refuses a request that does not fit before anything is sent", async () => {
    const seen: string[] = [];
    const bad = { params: { site }, body: { status: "active", reason: "", extra: 1 } as never };
    await expect(call(answering(200, "{}", seen), fleetApi.setSiteStatus, bad)).rejects.toThrow();
    expect(seen).toEqual([]);
  });

  it("turns problem details into an error with the centre's own sentence", async () => {
    const problem = {
      type: "about:blank",
      title: "Not found",
      status: 404,
      detail: "there is no site s-abcd",
      code: "site-unknown",
    };
    await expect(
      call(answering(404, JSON.stringify(problem)), fleetApi.getSite, { params: { site } }),
    ).rejects.toMatchObject({
      status: 404,
      message: "there is no site s-abcd",
    });
  });

  it("names an answer that is not JSON or not the contract's", async () => {
    await expect(call(answering(502, "<html>"), fleetApi.fleet)).rejects.toMatchObject({
      code: "api-answer-unexpected",
    });
    await expect(call(answering(200, "{}"), fleetApi.fleet)).rejects.toMatchObject({
      code: "api-answer-unexpected",
    });
  });
});
