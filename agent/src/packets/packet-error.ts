// The one error every wire codec throws. Bytes from the network never cause any other exception.
import { FleetError } from "@drover/shared/errors";

/** Bytes that are not a valid packet, or a packet that does not fit on the wire. */
export class PacketError extends FleetError {
  readonly code = "bad-packet";
}
