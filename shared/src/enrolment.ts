// The enrolment string a person carries to a site: where the centre is, how to know it is the centre,
// and a token that works once.
import { z } from "zod";
import { FleetError } from "./errors.ts";
import { Sha256 } from "./ids.ts";

export const Enrolment = z.object({
  /** `https://` origin of the centre. */
  url: z.url({ protocol: /^https$/ }).max(300),
  /** SHA-256 of the DER of the centre's certificate authority. */
  caFingerprint: Sha256,
  token: z.string().regex(/^[A-Za-z0-9_-]{22,86}$/),
});
export type Enrolment = z.infer<typeof Enrolment>;

export class EnrolmentStringError extends FleetError {
  readonly code = "enrolment-string-invalid";
}

/** `drover1.<url>.<fingerprint>.<token>`, each part base64url where it could hold a dot. */
export function writeEnrolment(enrolment: Enrolment): string {
  const url = btoa(enrolment.url).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `drover1.${url}.${enrolment.caFingerprint}.${enrolment.token}`;
}

/** Reads an enrolment string; throws {@link EnrolmentStringError} when it is none. */
export function readEnrolment(text: string): Enrolment {
  const parts = text.trim().split(".");
  if (parts.length !== 4 || parts[0] !== "drover1") {
    throw new EnrolmentStringError(
      "this is not an enrolment string: it starts with drover1. and has four parts",
    );
  }
  try {
    const url = atob((parts[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    return Enrolment.parse({ url, caFingerprint: parts[2], token: parts[3] });
  } catch (cause) {
    throw new EnrolmentStringError("the enrolment string is damaged", { cause });
  }
}
