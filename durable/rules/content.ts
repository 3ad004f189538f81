/** Are the bytes S3 holds the announced ones? */
import { compositeSha256, partCount } from "#contract/parts";

/** What a plan announced. */
export interface Announced {
  readonly lengthBytes: number;
  /** Of the whole; what S3 can say of it, it says of one PUT only. */
  readonly sha256: string;
  /** Undefined: one PUT. */
  readonly partBytes?: number | undefined;
  /** The composite, once every part was announced. */
  readonly composite?: string | undefined;
}

/** What S3 said. A store that keeps no checksum says none. */
export interface Seen {
  readonly lengthBytes: number;
  readonly sha256Hex: string | undefined;
  readonly composite?: { readonly sha256Hex: string; readonly parts: number } | undefined;
}

/** Undefined when they are the same as far as S3 knows; what it does not keep was bound into the signed URL all the same. */
export function differenceOf(announced: Announced, seen: Seen): string | undefined {
  if (seen.lengthBytes !== announced.lengthBytes)
    return `S3 holds ${seen.lengthBytes} bytes; ${announced.lengthBytes} were announced`;
  if (announced.partBytes === undefined)
    return seen.sha256Hex === undefined || seen.sha256Hex === announced.sha256
      ? undefined
      : `S3 holds SHA-256 ${seen.sha256Hex}; ${announced.sha256} was announced`;
  const { composite } = seen;
  if (composite === undefined || announced.composite === undefined) return undefined;
  const parts = partCount(announced.lengthBytes, announced.partBytes);
  if (composite.parts === parts && composite.sha256Hex === announced.composite) return undefined;
  return `S3 holds ${composite.parts} parts of composite SHA-256 ${composite.sha256Hex}; announced were ${parts} of ${announced.composite}`;
}

/** The composite of a content whose parts were all announced. */
export function compositeOf(
  announced: { readonly lengthBytes: number; readonly partBytes?: number | undefined },
  pins: readonly string[],
): string | undefined {
  if (announced.partBytes === undefined) return undefined;
  const parts = partCount(announced.lengthBytes, announced.partBytes);
  return pins.length === parts && pins.every((pin) => pin !== "") ? compositeSha256(pins) : undefined;
}
