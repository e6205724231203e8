// The authority stays, the server certificate follows names and time, and nothing damaged is trusted.
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addressBytes } from "./certificate.ts";
import { integer, oid, time, value } from "./der.ts";
import { openTlsAuthority } from "./tls-authority.ts";

const dayMs = 86_400_000;
const now = Date.UTC(2026, 10, 21);
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-tls-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (names: readonly string[] = [], at = now) =>
  openTlsAuthority({ folder, names, now: at });
const server = () => new X509Certificate(readFileSync(join(folder, "server.crt")));

test("the server certificate is signed by the authority and covers every name", () => {
  const opened = open(["drover.example", "192.0.2.7", "2001:db8::7"]);
  const authority = new X509Certificate(opened.authorityPem);
  expect(authority.ca).toBe(true);
  expect(server().ca).toBe(false);
  expect(server().verify(authority.publicKey)).toBe(true);
  expect(server().checkIssued(authority)).toBe(true);
  expect(server().checkHost("drover.example")).toBe("drover.example");
  expect(server().checkHost("localhost")).toBe("localhost");
  for (const address of ["127.0.0.1", "192.0.2.7", "2001:db8::7"]) {
    expect(server().checkIP(address)).toBe(address);
  }
  expect(server().checkHost("other.example")).toBeUndefined();
  expect(opened.fingerprint).toBe(createHash("sha256").update(authority.raw).digest("hex"));
});

test("opening again changes nothing; a new name or a near end renews the server certificate only", () => {
  const first = open();
  const serial = server().serialNumber;
  expect(open()).toEqual(first);
  expect(server().serialNumber).toBe(serial);
  expect(open(["new.example"]).fingerprint).toBe(first.fingerprint);
  const renamed = server().serialNumber;
  expect(renamed).not.toBe(serial);
  const later = open(["new.example"], first.renewAt + dayMs);
  expect(later.fingerprint).toBe(first.fingerprint);
  expect(server().serialNumber).not.toBe(renamed);
});

test("a damaged server certificate is replaced, a damaged authority is refused", () => {
  const first = open();
  writeFileSync(join(folder, "server.key"), "torn");
  expect(open().fingerprint).toBe(first.fingerprint);
  writeFileSync(join(folder, "authority.key"), "torn");
  expect(() => open()).toThrow(expect.objectContaining({ code: "tls-authority-broken" }));
});

test("an authority past its end is refused", () => {
  open();
  expect(() => open([], now + 3700 * dayMs)).toThrow(
    expect.objectContaining({ code: "tls-authority-broken" }),
  );
});

test("no file is readable by others", () => {
  open();
  for (const name of ["authority.key", "authority.crt", "server.key", "server.crt"]) {
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  }
});

test("DER values have their shortest form", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  expect(hex(integer(Uint8Array.of(0, 0, 0x80)))).toBe("02020080");
  expect(hex(integer(Uint8Array.of(0)))).toBe("020100");
  expect(hex(oid("1.2.840.10045.4.3.2"))).toBe("06082a8648ce3d040302");
  expect(hex(value(0x04, new Uint8Array(200)).subarray(0, 3))).toBe("0481c8");
  expect(hex(value(0x04, new Uint8Array(300)).subarray(0, 4))).toBe("0482012c");
  expect(time(Date.UTC(2049, 11, 31))[0]).toBe(0x17);
  expect(time(Date.UTC(2050, 0, 1))[0]).toBe(0x18);
});

test("IPv6 addresses become sixteen bytes however they are written", () => {
  const hex = (address: string) => Buffer.from(addressBytes(address)).toString("hex");
  expect(hex("::1")).toBe("00000000000000000000000000000001");
  expect(hex("2001:db8::ff")).toBe("20010db80000000000000000000000ff");
  expect(hex("::ffff:192.0.2.1")).toBe("00000000000000000000ffffc0000201");
});
