// The smallest disk that boots: proof on the serial console that a computer got as far as its disk.

export const diskMarker = "DISK-MARKER";

/** A master boot record that prints {@link diskMarker} through the BIOS and halts. */
export function talkingBootSector(): Uint8Array {
  const sector = new Uint8Array(512);
  // xor ax,ax; mov ds,ax; mov si,0x7c20; next: lodsb; test al,al; jz stop; mov ah,0x0e; int 0x10;
  // jmp next; stop: hlt; jmp stop
  const code = [0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x20, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x06, 0xb4, 0x0e];
  sector.set([...code, 0xcd, 0x10, 0xeb, 0xf5, 0xf4, 0xeb, 0xfd]);
  sector.set(new TextEncoder().encode(`${diskMarker}\r\n`), 0x20);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
