// Names of boot files as the network asks for them, made safe. A name that could leave the folder of
// boot files is refused, never repaired.

const part = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;

/**
 * The relative path a client means: leading slashes dropped, backslashes (Windows boot files, some
 * UEFI firmware) turned round, empty parts joined. Undefined when it is no name we could serve.
 */
export function safeFileName(asked: string): string | undefined {
  if (asked.length > 255) return undefined;
  const parts = asked
    .replaceAll("\\", "/")
    .split("/")
    .filter((piece) => piece !== "" && piece !== ".");
  if (parts.length === 0 || parts.length > 8) return undefined;
  return parts.every((piece) => part.test(piece)) ? parts.join("/") : undefined;
}

/** Files that loaders and firmware try on the off chance; their absence is no failure. */
export function isSpeculative(name: string): boolean {
  return /^(pxelinux\.cfg\/|autoexec\.ipxe$|.*revocations\.efi$|.*grub\.cfg-|.*(command|fs|crypto|terminal)\.lst$)/.test(
    name,
  );
}
