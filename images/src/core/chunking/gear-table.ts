// The gear table: for each byte value 32 bits, the first four bytes (little endian) of the SHA-256
// of `drover-gear-v1:<value>`. It is part of the chunk format and never changes; a test recomputes it.

const tableBase64 = [
  "WPqcFuDPBDV7JfxdGAGLfps1DMb4SmsfSq/on07RyNiwbh0lvaMM8uWNqXojUK+ZKCrSFdyrer4bypKZ4Hh9rCKnVn",
  "9pB49yg2hG8YulkQG1DZYZQ6/3ssdA62h0hMI39hsruWNVPYsWMt/DIDAe7v48lPmJS5rHvQTfXHP20McG7OKsB02w",
  "BBSd5v01wqYOZdn0+5Pv9PqGgl3prARMH2yySshlPXWJvrSUs1RiwnSOt9DkHwRS94sHQaJfEA8N5gYqagw5ZdxJDT",
  "o15s7uwsovG+8GHbU2qzqodLgWnOCON2UopTiB664+lXV6bp2jH484Mu5mqdWdVoeZGa5s09SlqX+ABWn0Ee0ZlmUt",
  "b1bM0IQLJG7b3MqJZHBOAAto78evMmTwJ1TwuTM0sUomyP2A6a5XeAaihaJDy19rWQR2Tg7hdOk8tDGYgkfPZ6LIO/",
  "iUMCZbWw6vjQZZh2mT5gkI6TNrwTkQVGjxRJVMZ7ZlqEN/nP1hzK+FRqPkifQGfqdwYU/LtrxdOEuY+UhDUvkOPKeK",
  "H1xSv5pwu8vD1GizFMcoVY38yGGEpRVuDID3TuPlt3w80hiClHHYFJoTOOESdcD3MXd//vpSmyP0OFoGacntonclRA",
  "rTkzbU80CnlYN+18qaI0P5i1zyRdjHcupM8rmOfWrltevk2E8kez8MdA1oH1UVOLcUjylaXMZlW/LdlM+NKZUrNV4t",
  "glKTJaJqKxiv/FEuzNlL5HVlcb597nN26tSsmVBGL4tegH5+A9pfkuZ+fOK1JueSj98BpmmOQeDq2gcYN+vBwWKLaL",
  "Vol7fo0RfPwZ0oi4H1v6H7HE+EH7d+k+j3oGsjCW33HBvJSgxlxJgSTstg3Pgfok/vPE3bgto2xXrVPx6lKc7oueJo",
  "Sh6mVNDv9/P+v2Yce3+0Q40sm/okeRTiYYGYCHBSLeVvO7/pVvqr7aWajHIW5BmCcF9Mnymgdc7Y8zwxiDv1v5pkKp",
  "aOycbiktBZAZ40bL6GQRnjROcr/8be8+r/ywmR1qSjJV0J0rvKDY0yh6F/a435hl5q0JlCPzpFt7RSfDmMkY/IQQ1H",
  "m7PtOZr6di2Tvd1F/uLn+hwc4dMtCkFv7eHXT/Tz54OmNwcs8hPDOdxKpzJAvnjzeI7DvgBpl32Ls3pI2nB3YDQerK",
  "prwh2YSEYy+Kmw1pSc89ssf/eGyKUd+3LG1wuHYREezVvcz04oPQBEMsyzxQMM96jJhngUv7dktXlQpxce1axsRcfd",
  "dkAFhmeHmBLcMA51Gopy/rwHHtdMtBWX486758zbFxSjuQlOXC1mq89UmFOsSmGPKgx4WHwLyKB6f7tRXfw6+rVQfV",
  "hTMBfqv1UHbqz9fQ==",
].join("");

/** Bytes of a base64 text. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** 256 numbers of 32 bits. */
export const gearTable: Uint32Array = readTable(bytesOfBase64(tableBase64));

function readTable(bytes: Uint8Array<ArrayBuffer>): Uint32Array {
  const view = new DataView(bytes.buffer);
  return Uint32Array.from({ length: 256 }, (_, value) => view.getUint32(value * 4, true));
}
