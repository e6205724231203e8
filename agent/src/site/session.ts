// The site's credentials for bus and HTTPS: a signed challenge brings a bearer and a JWT, renewed at half
// their life. A refusal (revoked, unreachable) changes nothing on the site; it is tried again later.
import { agentApi, challengeText } from "@drover/shared/api/agent-api";
import { ApiProblemError, call } from "@drover/shared/api/client";
import type { Clock } from "@drover/shared/clock";
import type { SiteId } from "@drover/shared/ids";
import { type Nkey, signWithNkey } from "@drover/shared/trust/nkey";
import type { Centre } from "./centre.ts";

interface Credentials {
  readonly bearer: string;
  readonly bearerExpiresAt: number;
  readonly jwt: string;
  readonly jwtExpiresAt: number;
  readonly issuedAt: number;
  readonly busUrls: readonly string[];
  readonly contentUrls: readonly string[];
}

export interface SessionParts {
  readonly site: SiteId;
  readonly nkey: Nkey;
  readonly centre: Centre;
  readonly clock: Clock;
}

export class SiteSession {
  readonly #parts: SessionParts;
  #credentials: Credentials | undefined;
  #renewing: Promise<Credentials> | undefined;
  /** Why the centre refused the site last, or undefined. */
  refusedBecause: string | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** The JWT in hand, perhaps expired; the bus asks for a fresh connection when it is refused. */
  get jwt(): string | undefined {
    return this.#credentials?.jwt;
  }

  get contentUrls(): readonly string[] {
    return this.#credentials?.contentUrls ?? [];
  }

  get busUrls(): readonly string[] {
    return this.#credentials?.busUrls ?? [];
  }

  /** True when the JWT is past half its life: time to renew. */
  isJwtAging(): boolean {
    const held = this.#credentials;
    if (!held) return true;
    return this.#parts.clock.now() >= held.issuedAt + (held.jwtExpiresAt - held.issuedAt) / 2;
  }

  /** A bearer with at least half a minute left. */
  async bearer(): Promise<string> {
    const held = this.#credentials;
    const now = this.#parts.clock.now();
    const isFresh = held && now < held.issuedAt + (held.bearerExpiresAt - held.issuedAt) / 2;
    return isFresh ? held.bearer : (await this.renew()).bearer;
  }

  /** Forgets the bearer, so that the next call asks for another one. */
  dropBearer(): void {
    if (this.#credentials) this.#credentials = { ...this.#credentials, bearerExpiresAt: 0 };
  }

  /** Signs a fresh challenge. Callers at the same time share one. */
  renew(): Promise<Credentials> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renew(): Promise<Credentials> {
    const { site, nkey, centre, clock } = this.#parts;
    try {
      const { challenge } = await call(centre.send(), agentApi.challenge, { body: { site } });
      const signature = signWithNkey(
        nkey,
        new TextEncoder().encode(challengeText(challenge, site)),
      );
      const answer = await call(centre.send(), agentApi.session, {
        body: { site, challenge, signature: Buffer.from(signature).toString("base64url") },
      });
      const { bearer, bearerExpiresAt, jwt, jwtExpiresAt, busUrls, contentUrls } = answer;
      const issuedAt = clock.now();
      this.refusedBecause = undefined;
      this.#credentials = {
        bearer,
        bearerExpiresAt,
        jwt,
        jwtExpiresAt,
        issuedAt,
        busUrls,
        contentUrls,
      };
      return this.#credentials;
    } catch (error) {
      if (error instanceof ApiProblemError) this.refusedBecause = error.message;
      throw error;
    }
  }
}
